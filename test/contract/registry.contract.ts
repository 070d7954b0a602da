import { describe } from '@jest/globals';
import type { RegistryHarness } from '../support/registry-harness.ts';
import { describeAdmission } from './registry/admission.ts';
import { describeBounds } from './registry/bounds.ts';
import { describeBreaker } from './registry/breaker.ts';
import { describeCapacity } from './registry/capacity.ts';
import { describeCensus } from './registry/census.ts';
import { describeClaims } from './registry/claims.ts';
import { describeDebt } from './registry/debt.ts';
import { describeIdentity } from './registry/identity.ts';
import { describeIsolation } from './registry/isolation.ts';
import { describeLearning } from './registry/learning.ts';
import { describeOperations } from './registry/operations.ts';
import { describeOrder } from './registry/order.ts';
import { describeProtection } from './registry/protection.ts';
import { describeRate } from './registry/rate.ts';
import { scenesOver } from './registry/scenes.ts';
import { describeSettle } from './registry/settle.ts';
import { describeShares } from './registry/shares.ts';
import { describeSweeping } from './registry/sweeping.ts';
import { describeTime } from './registry/time.ts';
import { describeYield } from './registry/yield.ts';

/** What every registry promises, law by law. A new implementation is wired to it in a dozen lines. */
export const describeRegistry = (name: string, openHarness: () => Promise<RegistryHarness>): void => {
  describe(`registry: ${name}`, () => {
    const scenes = scenesOver(openHarness);
    describeCapacity(scenes);
    describeAdmission(scenes);
    describeIdentity(scenes);
    describeProtection(scenes);
    describeOrder(scenes);
    describeClaims(scenes);
    describeShares(scenes);
    describeYield(scenes);
    describeSettle(scenes);
    describeBounds(scenes);
    describeDebt(scenes);
    describeOperations(scenes);
    describeSweeping(scenes);
    describeRate(scenes);
    describeBreaker(scenes);
    describeLearning(scenes);
    describeCensus(scenes);
    describeIsolation(scenes);
    describeTime(scenes);
  });
};
