import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { until } from '../../test/support/until.ts'
import { DISK_WORKER_SOURCE, ORDER_STOP, ORDER_WRITE, WORDS } from './disk-worker.ts'

it('an order is carried out once, though its bell rings after it was seen', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'portcullis-disk-'))
  const fd = openSync(join(dir, 'file'), 'a')
  const words = new Int32Array(new SharedArrayBuffer(WORDS * 4))
  const bytes = Buffer.from(new SharedArrayBuffer(16))
  const worker = new Worker(DISK_WORKER_SOURCE, { eval: true, workerData: { words: words.buffer, bytes: bytes.buffer, dir } })
  let answers = 0
  worker.on('message', () => {
    answers += 1
  })
  // The thread that gives the order may be put to sleep between the two: then it is carried out before the bell.
  const ring = () => until(() => Atomics.notify(words, 0) > 0, { withinMs: 5_000, what: 'the thread to sleep' })
  const order = (text: string): void => {
    bytes.write(text)
    words.set([ORDER_WRITE, fd, text.length, 0], 1)
    Atomics.add(words, 0, 1)
  }
  order('one\n')
  await until(() => answers >= 1, { withinMs: 5_000, what: 'an answer' })
  for (let times = 0; times < 3; times += 1) await ring()
  order('two\n')
  await ring()
  await until(() => answers >= 2, { withinMs: 5_000, what: 'another answer' })
  expect(readFileSync(join(dir, 'file'), 'utf8')).toBe('one\ntwo\n')
  words[1] = ORDER_STOP
  Atomics.add(words, 0, 1)
  Atomics.notify(words, 0)
  await once(worker, 'exit')
  expect(answers).toBe(2)
  closeSync(fd)
  rmSync(dir, { recursive: true })
})
