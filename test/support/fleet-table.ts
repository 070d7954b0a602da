import { randomBytes } from 'node:crypto';
import type { Fleet } from './fleet.ts';
import { postgresAdmin } from './servers.ts';

/** A table that shows which of a fleet's statements the server really ran. */
export interface MarkTable {
  /** The statement that leaves a mark. */
  insert(mark: string): string;
  marks(): Promise<string[]>;
}

export const markTable = async (fleet: Fleet): Promise<MarkTable> => {
  const admin = postgresAdmin();
  const name = `marks_${randomBytes(6).toString('hex')}`;
  await admin.query(`CREATE TABLE ${name} (mark text)`);
  await admin.query(`GRANT ALL ON ${name} TO ${fleet.role.user}`);
  return {
    insert: (mark) => `INSERT INTO ${name} VALUES ('${mark}')`,
    marks: async () => {
      const rows = await admin.query<{ mark: string }>(`SELECT mark FROM ${name} ORDER BY 1`);
      return rows.map(({ mark }) => mark);
    },
  };
};
