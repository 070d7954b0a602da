/** `npm run bench -- [--json] [--only NAME]`: every figure beside its peers, in one run on one machine. */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { grantGrowth } from './grant-growth.ts';
import { grantPair } from './grant-pair.ts';
import { handoff } from './handoff.ts';
import { leaseBytes } from './lease-bytes.ts';
import type { Result } from './measure.ts';
import { warmInvocation } from './warm-invocation.ts';
import { warmUse } from './warm-use.ts';

const BENCHMARKS: Readonly<Record<string, () => Promise<Result | readonly Result[]>>> = {
  'warm-use': warmUse,
  'warm-invocation': warmInvocation,
  'grant-pair': grantPair,
  'grant-growth': grantGrowth,
  'lease-bytes': leaseBytes,
  handoff,
};

const USAGE = `Usage: npm run bench -- [--json] [--only NAME]

Runs every benchmark, or one, and prints a table. Ratios are ours against the best peer; above 1 is better for us.

  --json        only the JSON object on standard output
  --only NAME   one of: ${Object.keys(BENCHMARKS).join(', ')}
  --help        this text
`;

const fail = (text: string): never => {
  process.stderr.write(`${text}\n\n${USAGE}`);
  process.exit(2);
};

const readArguments = () => {
  try {
    const options = {
      json: { type: 'boolean' },
      only: { type: 'string' },
      help: { type: 'boolean' },
    } as const;
    return parseArgs({ options, allowPositionals: false }).values;
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
};

const { json = false, only, help = false } = readArguments();
if (help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
if (only !== undefined && !(only in BENCHMARKS)) fail(`--only: there is no benchmark '${only}'.`);

const results: Result[] = [];
for (const [name, run] of Object.entries(BENCHMARKS)) {
  if (only !== undefined && name !== only) continue;
  process.stderr.write(`running ${name} …\n`);
  results.push(...[await run()].flat());
}

if (json) {
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    node: process.version,
    platform: process.platform,
  };
  process.stdout.write(`${JSON.stringify({ machine, results })}\n`);
} else {
  const table = new Table({
    head: ['name', 'ours', 'peers', 'ratio', 'goal', 'met'],
    style: { head: [], border: [] },
  });
  for (const { name, ours, unit, peers, ratio, goal, met } of results) {
    const others = peers.map((peer) => `${peer.name} ${peer.value.toFixed(2)} ${unit}`).join('\n');
    table.push([name, `${ours.toFixed(2)} ${unit}`, others, ratio.toFixed(2), goal, met ? 'yes' : 'no']);
  }
  process.stdout.write(`${table.toString()}\n`);
}
