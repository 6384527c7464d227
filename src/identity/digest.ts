import { hash } from 'node:crypto'

const BLOCK = 64
const DIGEST = 32
const TEXT_MAX = 128

/**
 * HMAC-SHA256 (RFC 2104) of short ASCII text under a fixed key, built from two one-shot hashes: half the time of `createHmac`, which makes
 * an object per call. The answer is one buffer that the next call overwrites; `Buffer.from` it to keep it.
 */
export function createDigest(key: Buffer): (text: string) => Buffer {
  if (key.length > BLOCK) throw new RangeError('an HMAC key longer than one block is not supported')
  const inner = Buffer.alloc(BLOCK + TEXT_MAX, 0x36)
  const outer = Buffer.alloc(BLOCK + DIGEST, 0x5c)
  for (const [at, byte] of key.entries()) {
    inner[at] = byte ^ 0x36
    outer[at] = byte ^ 0x5c
  }
  const digest = Buffer.alloc(DIGEST)
  return (text) => {
    if (text.length > TEXT_MAX) throw new RangeError('text longer than a credential')
    inner.write(text, BLOCK, 'latin1')
    outer.write(hash('sha256', inner.subarray(0, BLOCK + text.length), 'binary'), BLOCK, 'latin1')
    digest.write(hash('sha256', outer, 'binary'), 0, 'latin1')
    return digest
  }
}
