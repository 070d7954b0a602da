/** `npm run demo`: the main job on real parts. Progress goes to stderr, the result to stdout. */
import { type Arguments, readArguments, UsageError } from './arguments.ts';
import { perform } from './programme.ts';
import { type DemoResult, toJson, verdictOn } from './result.ts';
import { Screen } from './screen.ts';
import { Stage } from './stage.ts';
import { Interrupted, Stopping } from './stopping.ts';
import { remarks, resultTable } from './table.ts';

const USAGE = 2;

const run = async (given: Arguments): Promise<Omit<DemoResult, 'seconds'>> => {
  const stopping = new Stopping();
  const screen = new Screen(process.stderr);
  const stage = new Stage(given, stopping, screen);
  try {
    screen.say('Starting the database, the registry and the fleet.');
    await stage.open();
    return await perform({ stage, screen, signal: stopping.signal, arguments: given });
  } catch (error) {
    // What fails because everything is being stopped is not the reason.
    throw stopping.signal.aborted ? stopping.signal.reason : error;
  } finally {
    await stage.close();
  }
};

const print = (result: DemoResult, given: Arguments): void => {
  const { isGood, sentence } = verdictOn(result, given);
  if (!isGood) process.exitCode = 1;
  if (given.isJson) {
    process.stdout.write(`${toJson(result)}\n`);
    if (!isGood) process.stderr.write(`${sentence}\n`);
    return;
  }
  const took = `Done in ${result.seconds} s, database: ${result.database}, registry: ${result.registry}.`;
  process.stdout.write(`\n${[resultTable(result), ...remarks(result), took, '', sentence].join('\n')}\n`);
};

const main = async (): Promise<void> => {
  try {
    const given = readArguments(process.argv.slice(2));
    const result = await run(given);
    print({ ...result, seconds: Math.round(performance.now() / 100) / 10 }, given);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof UsageError) process.stderr.write(`The demo cannot run like this:\n${message}\n`);
    else process.stderr.write(`\nThe demo ended before its time: ${message}\n`);
    process.exitCode =
      error instanceof UsageError ? USAGE : error instanceof Interrupted ? error.exitCode : 1;
  }
};

await main();
