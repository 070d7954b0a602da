import type { Script } from './script-runner.ts';
import { PARTS, SCRIPTS } from './scripts.generated.ts';

export type ScriptName = keyof typeof SCRIPTS;
export type ScriptSet = Readonly<Record<ScriptName, Script>>;

const names = Object.keys(SCRIPTS) as ScriptName[];

/** Every script as the server runs it: the parts that it uses, and its own body. */
export const embeddedScripts: ScriptSet = Object.fromEntries(
  names.map((name) => {
    const { sha1, uses, body } = SCRIPTS[name];
    return [name, { text: [...uses.map((part) => PARTS[part]), body].join('\n'), sha1 }];
  }),
) as ScriptSet;
