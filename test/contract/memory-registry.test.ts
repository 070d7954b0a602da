import { memoryHarness } from '../support/registry-harness.ts';
import { describeRegistry } from './registry.contract.ts';

describeRegistry('memory', memoryHarness);
