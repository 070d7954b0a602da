/**
 * One process of the fleet, forked by the demo: does what it is told over the message channel, and ends with it. It never
 * outlives the demo: when the channel closes, for whatever reason, it exits.
 */
import type { FromProcess, ToProcess } from './channel.ts';
import { ChannelRegistry } from './channel-registry.ts';
import type { Plan } from './plan.ts';
import { Shift } from './shift.ts';
import { TickCounter } from './tick.ts';

const TICK_MS = 100;

const send = (message: FromProcess): void => {
  if (process.connected) process.send?.(message);
};

class FleetProcess {
  readonly #counter = new TickCounter();
  #channel: ChannelRegistry | undefined;
  #shift: Shift | undefined;

  hear(message: ToProcess): void {
    if (message.kind === 'begin') this.#begin(message.plan);
    else if (message.kind === 'end') void this.#end();
    else this.#channel?.settle(message);
  }

  tell(): void {
    send({ kind: 'tick', tick: this.#counter.take() });
  }

  #begin(plan: Plan): void {
    this.#channel = new ChannelRegistry(plan.registry.namespace, send);
    this.#shift = new Shift(plan, this.#channel.registry, this.#counter);
  }

  async #end(): Promise<void> {
    await this.#shift?.end();
    this.#shift = undefined;
    this.tell();
    send({ kind: 'ended' });
  }
}

const self = new FleetProcess();
process.on('message', (message) => self.hear(message as ToProcess));
process.on('disconnect', () => process.exit());
// Ctrl-C reaches the whole process group; the demo decides when its fleet ends.
process.on('SIGINT', () => undefined);
setInterval(() => self.tell(), TICK_MS);
send({ kind: 'ready' });
