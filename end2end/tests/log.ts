// A SQLite database whose newest rows are in its write-ahead log alone, made as https://sqlite.org/fileformat2.html says.
import { readFileSync } from 'node:fs';

/** A file for an `<input type="file">`. */
export interface Given {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

/** The two running sums of the format, over 32-bit words in little-endian order. */
class Sum {
  private readonly sums = new Uint32Array(2);

  add(bytes: Buffer): this {
    for (let at = 0; at < bytes.length; at += 8) {
      this.sums[0] += bytes.readUInt32LE(at) + this.sums[1];
      this.sums[1] += bytes.readUInt32LE(at + 4) + this.sums[0];
    }
    return this;
  }

  write(into: Buffer, at: number): void {
    into.writeUInt32BE(this.sums[0], at);
    into.writeUInt32BE(this.sums[1], at + 4);
  }
}

/** The database at `path` under another name, and a log in which `old`, which it holds once, reads `fresh`. */
export function withLog(name: string, path: string, old: string, fresh: string): [Given, Given] {
  if (old.length !== fresh.length) throw new Error('a value of another length would move its neighbours');
  const database = readFileSync(path);
  const pageSize = database.readUInt16BE(16);
  const at = database.indexOf(old);
  if (at < 0 || database.indexOf(old, at + 1) >= 0) throw new Error(`${path} does not hold "${old}" once`);
  // Both version numbers say that there may be a log.
  database[18] = 2;
  database[19] = 2;

  const number = Math.floor(at / pageSize) + 1;
  const page = Buffer.from(database.subarray((number - 1) * pageSize, number * pageSize));
  page.write(fresh, at % pageSize, 'latin1');

  const sum = new Sum();
  const header = Buffer.alloc(32);
  [0x377f0682, 3007000, pageSize, 0, 1, 2].forEach((word, place) => header.writeUInt32BE(word, place * 4));
  sum.add(header.subarray(0, 24)).write(header, 24);
  const frame = Buffer.alloc(24);
  // The size of the database after it marks the frame as the end of a transaction.
  [number, database.length / pageSize, 1, 2].forEach((word, place) => frame.writeUInt32BE(word, place * 4));
  sum.add(frame.subarray(0, 8)).add(page).write(frame, 16);

  const mimeType = 'application/x-sqlite3';
  return [
    { name, mimeType, buffer: database },
    { name: `${name}-wal`, mimeType, buffer: Buffer.concat([header, frame, page]) },
  ];
}
