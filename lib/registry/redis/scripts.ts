import type { Script } from './script-runner.ts';
import { CLOCK, PRELUDE, SCRIPTS } from './scripts.generated.ts';

export type ScriptName = keyof typeof SCRIPTS;
export type ScriptSet = Readonly<Record<ScriptName, Script>>;

const names = Object.keys(SCRIPTS) as ScriptName[];

/** Every script as the server runs it: the clock, the shared prelude and its own body. */
export const embeddedScripts: ScriptSet = Object.fromEntries(
  names.map((name) => [
    name,
    { text: [CLOCK, PRELUDE, SCRIPTS[name].body].join('\n'), sha1: SCRIPTS[name].sha1 },
  ]),
) as ScriptSet;
