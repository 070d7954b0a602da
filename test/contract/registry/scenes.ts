import { afterAll, beforeAll } from '@jest/globals';
import type { ResourceSettings } from '../../../lib/core/lease.ts';
import { type RegistryHarness, Scene } from '../../support/registry-harness.ts';

type Settings = Partial<ResourceSettings>;

/** Where the tests of one registry play; each scene is a resource of its own. */
export interface Scenes {
  /** A resource that the operator says is new. */
  readonly scene: (settings?: Settings) => Promise<Scene>;
  /** One that the registry has never heard of. */
  readonly unknownScene: (settings?: Settings) => Scene;
  /** Leases that were granted, bound to sessions on server1, and are not protected any more, the first the longest. */
  readonly parkedScene: (names: readonly string[], settings?: Settings) => Promise<Scene>;
  /** A resource full to the last place: `names` revoking and unbound, nothing held, all past every bound. */
  readonly deadScene: (names: readonly string[], settings?: Settings) => Promise<Scene>;
}

/** One harness for all tests of the block it is called in. */
export const scenesOver = (openHarness: () => Promise<RegistryHarness>): Scenes => {
  let harness: RegistryHarness;
  let scenes = 0;
  beforeAll(async () => {
    harness = await openHarness();
  });
  afterAll(() => harness.close());

  const unknownScene = (settings: Settings = {}): Scene => {
    scenes += 1;
    return new Scene(harness, `scene-${scenes}`, settings);
  };
  const scene = (settings: Settings = {}): Promise<Scene> => unknownScene(settings).start();
  const parkedScene = async (names: readonly string[], settings: Settings = {}): Promise<Scene> => {
    const it = await scene({ capacity: names.length + 1, headroom: 1, ...settings });
    for (const each of names) await it.granted(each);
    for (const each of names) {
      it.advance(1);
      await it.park(each, { session: `server1.${each}` });
    }
    return it;
  };
  const deadScene = async (names: readonly string[], settings: Settings = {}): Promise<Scene> => {
    const it = await scene({ capacity: names.length, headroom: 0, ...settings });
    for (const each of names) await it.granted(each);
    for (const each of names) await it.abandon(each);
    it.advance(it.settings.connectBoundMs);
    return it;
  };
  return { scene, unknownScene, parkedScene, deadScene };
};
