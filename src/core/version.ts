/** The version of this program; `package.json` and the chart say the same, which a test compares. */
export const VERSION = "0.1.0";
