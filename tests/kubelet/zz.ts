import { buildImages } from "./images.ts";
const d = "/tmp/kn/images"; await Deno.remove(d, {recursive:true}).catch(()=>{}); await Deno.mkdir(d);
const t = performance.now();
console.log(await buildImages(d), performance.now()-t);
