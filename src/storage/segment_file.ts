/** Makes the file of a new segment: nothing but its header. */

import type { LogIndex } from "../base/mod.ts";
import type { Disk } from "../platform/mod.ts";
import type { EntryId } from "../raft/mod.ts";
import { fullError } from "./disk_space.ts";
import { Segment } from "./segment.ts";
import { markSeedOf } from "./segment_format.ts";

export interface NewSegment {
  readonly path: string;
  readonly header: Uint8Array;
  readonly first: LogIndex;
  readonly previous: EntryId;
}

/** Not durable yet. Throws "full"; then nothing is left of it. */
export async function makeSegment(disk: Disk, options: NewSegment): Promise<Segment> {
  const { path, header, first, previous } = options;
  try {
    const file = await disk.open(path, "create");
    try {
      await file.truncate(0);
      await file.write(header, 0);
    } catch (error) {
      await file.close();
      await disk.remove(path);
      throw error;
    }
    return new Segment({ path, file, first, previous, markSeed: markSeedOf(header) });
  } catch (error) {
    throw fullError(error) ?? error;
  }
}
