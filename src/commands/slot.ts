/** Which of the 16384 hash slots a key is in (Redis Cluster specification). */

/** Hash slots are numbered from 0 to one less. */
export const SLOTS = 16_384;

const TABLE: Uint16Array = makeTable();

function makeTable(): Uint16Array {
  const table = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[byte] = crc;
  }
  return table;
}

/** CRC-16 (XMODEM) of the part in the first braces if there is one that is not empty, else of all. */
export function slotOf(key: string): number {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (let i = 0; i < hashed.length; i++) {
    crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >>> 8) ^ hashed.charCodeAt(i)];
  }
  return crc & (SLOTS - 1);
}
