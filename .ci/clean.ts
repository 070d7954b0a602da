/** Removes the named folders of this project: `node .ci/clean.ts dist coverage`. */
import { rmSync } from 'node:fs';
import { relative, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

for (const name of process.argv.slice(2)) {
  const folder = resolve(root, name);
  const inside = relative(root, folder);
  if (inside === '' || inside.startsWith('..'))
    throw new Error(`clean: ${name} is not a folder inside the project`);
  rmSync(folder, { recursive: true, force: true });
}
