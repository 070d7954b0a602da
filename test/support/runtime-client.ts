import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installPackage } from './install.ts';

const run = promisify(execFile);

/** A package of its own: its install builds C++, which nobody should wait for who only runs the other tests. */
const FOLDER = fileURLToPath(new URL('./lambda-ric', import.meta.url));
const NAME = 'aws-lambda-ric';
const BUILD_TIMEOUT_MS = 480_000;
/** So much of a failed build's output is told. */
const OUTPUT_MAX = 1_500;

/** What the build runs, and the Debian package that has it. */
const TOOLS: readonly (readonly [program: string, debianPackage: string])[] = [
  ['cmake', 'cmake'],
  ['make', 'make'],
  ['c++', 'g++'],
  ['python3', 'python3'],
  ['xz', 'xz-utils'],
];

/**
 * The program that runs handlers on Lambda's own Node runtime: AWS's runtime interface client. Built on first use, in about
 * 40 s; later uses find it. Resolves with the path of its main module.
 *
 * @throws Error with one sentence that says what this machine lacks.
 */
export const runtimeClient = async (): Promise<string> => {
  if (!(await isBuilt())) await build();
  return join(FOLDER, 'node_modules', NAME, 'index.mjs');
};

const isBuilt = async (): Promise<boolean> => {
  const folder = join(FOLDER, 'node_modules', NAME);
  const [present, wanted, native] = await Promise.all([
    readJson(join(folder, 'package.json')),
    readJson(join(FOLDER, 'package.json')),
    stat(join(folder, 'rapid-client.node')).catch(() => undefined),
  ]);
  return native !== undefined && present?.version === wanted?.dependencies?.[NAME];
};

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const readJson = async (path: string): Promise<Manifest | undefined> => {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Manifest);
};

/** Apart, and moved into its place when it is whole: an interrupted build leaves nothing half, and two do not meet. */
const build = async (): Promise<void> => {
  if (process.platform !== 'linux')
    throw new Error(`The local Lambda runs on Linux only: ${NAME} has no build for ${process.platform}.`);
  await provideTools();
  process.stderr.write("Building AWS's runtime interface client, once: about 40 s.\n");
  await mkdir(join(FOLDER, '.tmp'), { recursive: true });
  const folder = await mkdtemp(join(FOLDER, '.tmp', 'build-'));
  try {
    for (const file of ['package.json', 'package-lock.json', '.npmrc'])
      await cp(join(FOLDER, file), join(folder, file));
    await install(folder);
    await putInPlace(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const provideTools = async (): Promise<void> => {
  for (const [program, debianPackage] of TOOLS) {
    if (await isOnPath(program)) continue;
    const isInstalled = await installPackage(debianPackage).catch(() => false);
    if (isInstalled && (await isOnPath(program))) continue;
    throw new Error(
      `The local Lambda needs ${program} to build AWS's runtime interface client, and there is none here: ` +
        `install ${TOOLS.map(([, name]) => name).join(', ')}.`,
    );
  }
};

const isOnPath = async (program: string): Promise<boolean> =>
  (await run('/bin/sh', ['-c', `command -v ${program}`]).catch(() => undefined)) !== undefined;

const install = async (folder: string): Promise<void> => {
  try {
    await run('npm', ['ci', '--foreground-scripts', '--prefix', folder], {
      cwd: folder,
      env: await buildEnvironment(),
      timeout: BUILD_TIMEOUT_MS,
      maxBuffer: 2 ** 28,
    });
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    const output = `${stdout}\n${stderr}`.trim().slice(-OUTPUT_MAX) || message;
    throw new Error(`AWS's runtime interface client could not be built:\n${output}`);
  }
};

/** With this process's Node and its own headers where it has brought them: then nothing is downloaded but the package. */
const buildEnvironment = async (): Promise<NodeJS.ProcessEnv> => {
  const folder = dirname(process.execPath);
  const PATH = [folder, process.env['PATH'] ?? ''].join(delimiter);
  const places = [
    dirname(folder),
    join(folder, '../node_modules', `node-${process.platform}-${process.arch}`),
  ];
  for (const place of places) {
    const header = await stat(join(place, 'include/node/node_api.h')).catch(() => undefined);
    if (header) return { ...process.env, PATH, npm_config_nodedir: place };
  }
  return { ...process.env, PATH };
};

const putInPlace = async (folder: string): Promise<void> => {
  if (await isBuilt()) return;
  const place = join(FOLDER, 'node_modules');
  await rm(place, { recursive: true, force: true });
  await rename(join(folder, 'node_modules'), place);
};
