// A process that owns a ledger and writes to it until it is told to stop, or is killed. Says on stdout, one line each:
//   ready · a ID (intent acknowledged) · r ID (intent rejected) · s 0|1 (the ledger became unwritable, writable) · done
// node ledger-child.mjs AUDIT_MODULE KERNEL_MODULE '{"file","keyDir","sync","rotateMiB","concurrency","everyMs","tag"}'
import { randomInt } from 'node:crypto'
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

const [auditModule, kernelModule, text] = process.argv.slice(2)
const { file, keyDir, sync, rotateMiB, concurrency, everyMs, tag } = JSON.parse(text)
const { openLedger } = await import(pathToFileURL(auditModule).href)
const { systemClock } = await import(pathToFileURL(kernelModule).href)

// A synchronous write: what was said must not be lost with the process.
const say = (line) => writeSync(1, `${line}\n`)
const log = { info() {}, warn() {}, error() {} }
let stopped = false
const onState = (ok) => stopped || say(`s ${ok ? 1 : 0}`)
const ledger = await openLedger({ file, keyDir, sync, rotateMiB, keepDays: 400, clock: systemClock, log, onState })
await ledger.lifecycle({ what: 'start' }).catch(() => {})
say('ready')

const about = {
  tenant: 'default',
  kind: 'key',
  user: 'ada',
  key: 'AbCdEfGhIjKl',
  address: '192.0.2.7',
  method: 'POST',
  route: '/chat/api/generate',
  service: 'chat',
}
let count = 0

async function caller() {
  while (!stopped) {
    count += 1
    const request = `${tag}_${count}`
    try {
      await ledger.intent({ request, ...about })
      say(`a ${request}`)
      await pause(randomInt(0, everyMs + 1))
      ledger.outcome({ request, ...about, status: 200, bytes_in: 10, bytes_out: 100, total_ms: 1, ended: 'complete' })
    } catch {
      say(`r ${request}`)
      await pause(20)
    }
  }
}

const callers = Array.from({ length: concurrency }, caller)
for await (const line of createInterface({ input: process.stdin })) if (line === 'stop') break
stopped = true
await Promise.all(callers)
await ledger.close()
say('done')
process.exit(0)
