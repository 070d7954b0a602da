import { mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { copyBinaries } from '../support/postgres.ts';

test('a copy of the server needs nothing of the folder that it was copied from', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-binaries-'));
  try {
    const [from, to] = [join(folder, 'private'), join(folder, 'copy')];
    await mkdir(join(from, 'lib'), { recursive: true });
    await writeFile(join(from, 'lib', 'libicuuc.so.60.2'), 'library');
    await symlink('libicuuc.so.60.2', join(from, 'lib', 'libicuuc.so.60'));
    await copyBinaries(from, to);
    await rm(from, { recursive: true });
    expect(await readlink(join(to, 'lib', 'libicuuc.so.60'))).toBe('libicuuc.so.60.2');
    expect(await readFile(join(to, 'lib', 'libicuuc.so.60'), 'utf8')).toBe('library');
  } finally {
    await rm(folder, { recursive: true });
  }
});
