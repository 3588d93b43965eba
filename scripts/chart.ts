/** Makes the chart: `deno run -A scripts/chart.ts`; `tests/manifests/chart_test.ts` fails when that was forgotten. */
import { writeChart } from "../src/build/chart.ts";

await writeChart();
