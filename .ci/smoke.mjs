/**
 * Loads the packed and installed package the way a user does: `node smoke.mjs`, run beside its node_modules folder, on every
 * supported Node. Plain JavaScript, because the oldest of them strips no types.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, 'node_modules/leasehold');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));

const problems = [];
const ALLOWED = /^(?:dist\/.+\.(?:js|d\.ts)|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/;
const UNWANTED = /\.test\.|(?:^|\/)(?:test|functions|\.ci)\//;

for (const file of files) {
  if (!ALLOWED.test(file) || UNWANTED.test(file)) problems.push(`${file} has no place in the package`);
}

const loaded = {};
for (const [entry, targets] of Object.entries(manifest.exports)) {
  for (const target of Object.values(targets)) {
    if (!existsSync(join(root, target))) problems.push(`${entry}: ${target} is not in the package`);
  }
  try {
    loaded[entry] = await import(join('leasehold', entry));
    if (Object.keys(loaded[entry]).length === 0) problems.push(`${entry} exports nothing`);
  } catch (error) {
    problems.push(`${entry} does not load: ${error.message}`);
  }
}

if (typeof loaded['.']?.createPool !== 'function') problems.push('. has no createPool');
const registries = Object.keys(loaded['./memory'] ?? {}).filter((name) => /memory/i.test(name));
if (registries.length === 0) problems.push('./memory has no memory registry');

for (const problem of problems) console.error(problem);
console.log(
  `Node ${process.version}: ${Object.keys(loaded).length} entries, ${files.length} files, ${problems.length} problems`,
);
if (problems.length > 0) process.exitCode = 1;
