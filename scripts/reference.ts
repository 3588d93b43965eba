/** Writes the pages that are made from the code: `deno run -A scripts/reference.ts`. */
import { writeReference } from "../src/build/reference.ts";

await writeReference();
