import type { Share } from './lease.ts';
import type { NumberOption } from './options.ts';

type Numbers = Readonly<Record<NumberOption, number>>;

/** The laws between options that `numbers` and `share` break, each with what would be right. `nameOf`: what the user calls an option. */
export const lawProblems = (
  numbers: Numbers,
  share: Pick<Share, 'min' | 'max'> = { min: 0, max: 0 },
  nameOf: (option: string) => string,
): string[] => {
  const { capacity, headroom, protectMs, idleMs, dangerMarginMs, connectTimeoutMs, quantumMs } = numbers;
  const { min, max } = numbers;
  const is = (option: string, value: number): string => `${nameOf(option)}: ${value} is`;
  const told = (option: string, value: number): string => `${nameOf(option)} (${value})`;
  const laws: readonly (readonly [holds: boolean, text: string])[] = [
    [
      headroom <= capacity / 2,
      `${is('headroom', headroom)} more than half of ${told('capacity', capacity)}; at most ${Math.floor(capacity / 2)}`,
    ],
    [idleMs >= protectMs, `${is('idleMs', idleMs)} below ${told('protectMs', protectMs)}`],
    [
      dangerMarginMs < protectMs / 3,
      `${is('dangerMarginMs', dangerMarginMs)} not below a third of ${told('protectMs', protectMs)}`,
    ],
    [
      connectTimeoutMs < protectMs / 2,
      `${is('connectTimeoutMs', connectTimeoutMs)} not below half of ${told('protectMs', protectMs)}`,
    ],
    [
      headroom > 0 || quantumMs === 0,
      `${nameOf('quantumMs')}: ${quantumMs} needs headroom; it is 0 where ${nameOf('headroom')} is 0`,
    ],
    [min <= max, `${is('min', min)} more than ${told('max', max)}`],
    [share.min <= share.max, `${is('share.min', share.min)} more than ${told('share.max', share.max)}`],
    [
      share.min <= capacity - headroom,
      `${is('share.min', share.min)} more than ${nameOf('capacity')} less ${nameOf('headroom')} (${capacity - headroom})`,
    ],
  ];
  return laws.filter(([holds]) => !holds).map(([, text]) => text);
};
