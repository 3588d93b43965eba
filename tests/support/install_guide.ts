/** Reads `docs/install.md`, so that tests do what it tells people to do. */

const GUIDE = new URL("../../docs/install.md", import.meta.url);

/**
 * The lines that the guide gives under a heading to be typed.
 *
 * @throws Error when there is no such heading, or nothing to type
 */
export async function linesOf(heading: string): Promise<string> {
  const [, section = ""] = (await Deno.readTextFile(GUIDE)).split(`\n## ${heading}\n`);
  const [, lines] = /^```sh\n(.*?)^```$/ms.exec(section.split("\n## ")[0] ?? "") ?? [];
  if (lines === undefined) throw new Error(`Cannot find lines of '${heading}' in docs/install.md`);
  return lines;
}

/**
 * The YAML that the guide gives for a setting.
 *
 * @param title the bold words that its entry begins with
 * @throws Error when there is no such entry, or no YAML in it
 */
export async function settingOf(title: string): Promise<string> {
  const text = await Deno.readTextFile(GUIDE);
  const [, entry = ""] = text.split(`\n- **${title}**`);
  const [, yaml] = /^(?:(?!- ).*\n)*? {2}```yaml\n((?: {2}.*\n)+?) {2}```$/m.exec(entry) ?? [];
  if (yaml === undefined) throw new Error(`Cannot find YAML of '${title}' in docs/install.md`);
  return yaml.replaceAll(/^ {2}/gm, "");
}
