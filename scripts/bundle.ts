/**
 * Writes `dist`: `deno run -A scripts/bundle.ts [--why]`; `--why` prints which packages a bundle consists of.
 */
import { bundle } from "../src/build/bundle.ts";

const why = Deno.args.includes("--why");
const lines = (await bundle()).flatMap(({ path, bytes, lazyBytes, packages }) => [
  `${path} ${kilobytes(bytes)}, ${kilobytes(lazyBytes)} more when needed`,
  ...(why ? packages.map(([name, size]) => `  ${name} ${kilobytes(size)}`) : []),
]);
await Deno.stdout.write(new TextEncoder().encode(lines.map((line) => line + "\n").join("")));

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
