/**
 * Program: sends a POST and prints the answer as JSON, `{"status":200,"body":…}`. `http_post.ts URL [AUTHORIZATION]`.
 */
import process from "node:process";

const [url = "", authorization] = process.argv.slice(2);
const response = await fetch(url, {
  method: "POST",
  headers: authorization === undefined ? {} : { authorization },
});
process.stdout.write(JSON.stringify({ status: response.status, body: await response.json() }));
