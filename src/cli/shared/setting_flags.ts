/** The settings of a program as flags of a command. */
import process from "node:process";
import { Option } from "commander";
import type { Command } from "commander";
import { flagName, isSwitch, readSettings, SETTINGS } from "../../program/settings.ts";
import type { SettingName, Settings } from "../../program/settings.ts";
import type { Setting } from "../../program/setting.ts";

/** A person reads the log, not a machine. */
const FALLBACKS: Readonly<Partial<Record<SettingName, string>>> = { logFormat: "text" };

/** Adds the flags of settings to a command. Their values are read by {@linkcode settingsOf}, once and for all entries. */
export function withSettings(command: Command, names: readonly SettingName[]): Command {
  for (const name of names) {
    const setting: Setting<unknown> = SETTINGS[name];
    const fallback = FALLBACKS[name] ?? setting.fallback;
    const otherwise = fallback === undefined || isSwitch(setting) ? "" : `default: ${fallback}; `;
    const said = `${setting.description} (${otherwise}or ${setting.variable})`;
    command.addOption(new Option(setting.flag, said));
  }
  return command;
}

/**
 * The settings as flags and environment say.
 *
 * @throws ConfigError that names each flag or variable that is wrong
 */
export function settingsOf<Name extends SettingName>(
  names: readonly Name[],
  flags: Readonly<Record<string, unknown>>,
): Pick<Settings, Name> {
  const texts = names.map((name) => {
    const { flag }: Setting<unknown> = SETTINGS[name];
    const value = flags[new Option(flag).attributeName()];
    return [flagName({ flag }), value === undefined ? undefined : String(value)];
  });
  return readSettings(names, {
    flags: Object.fromEntries(texts),
    variables: process.env,
    fallbacks: FALLBACKS,
  });
}
