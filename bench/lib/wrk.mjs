import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { tool } from '../../scripts/tools.mjs'
import { BENCH_CORE, run } from './processes.mjs'

const SCRIPT = fileURLToPath(new URL('wrk.lua', import.meta.url))

/** A bench that measured something else than it says. It ends the run with status 1. */
export class BrokenBench extends Error {}

const headersOf = (target) => ({ 'content-type': 'application/json', ...target.headers })

/**
 * One run of wrk against a target of which `look` has seen an answer. Broken when any request failed, or when the bytes read are not those of that answer,
 * as many times as requests were counted.
 */
export async function load(target, { connections, seconds, body, answerBytes }) {
  const wrk = tool('wrk')
  if (wrk.missing) throw new Error(wrk.missing)
  const headers = Object.entries(headersOf(target)).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', SCRIPT, ...headers, url(target)]
  const options = { core: BENCH_CORE, env: { ...wrk.env, BENCH_BODY: body }, msMax: (seconds + 30) * 1_000 }
  const { stdout, stderr, status } = await run(wrk.path, [...wrk.args, ...args], options)
  const line = /^RESULT (.*)$/m.exec(stdout)?.[1]
  if (status !== 0 || line === undefined) throw new BrokenBench(`${target.running.name}: wrk failed: ${stdout}${stderr}`)
  const result = JSON.parse(line)
  const failures = result.connect + result.read + result.write + result.status + result.timeout
  if (failures > 0 || result.requests === 0)
    throw new BrokenBench(`${target.running.name}: not every request was answered with 200: ${line}`)
  const extra = result.bytes - result.requests * answerBytes
  // An answer to each connection may be half read when the time is over; where headers tell what is left of a limit, they have more digits or fewer.
  const slack = result.requests * (target.digits ?? 0)
  if (extra < -slack || extra > connections * answerBytes + slack)
    throw new BrokenBench(`${target.running.name}: want ${answerBytes} bytes for each answer: ${line}`)
  return { ...result, rps: (result.requests / result.us) * 1e6 }
}

const url = ({ running, path }) => `http://127.0.0.1:${running.port}${path}`

/** Asks once, as wrk does, and gives the answer as it came over the wire. */
export function look(target, body) {
  const head = Object.entries({ host: `127.0.0.1:${target.running.port}`, ...headersOf(target), 'content-length': Buffer.byteLength(body) })
  const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const socket = connect(target.running.port, '127.0.0.1')
  socket.write(`POST ${target.path} HTTP/1.1\r\n${lines}\r\n${body}`)
  return new Promise((resolve, reject) => {
    let wire = Buffer.alloc(0)
    socket.setTimeout(10_000, () => fail('did not answer within 10 s'))
    const fail = (why) => {
      socket.destroy()
      reject(new BrokenBench(`${target.running.name}: ${why}`))
    }
    socket.on('error', (fault) => fail(fault.message))
    socket.on('close', () => fail('closed before its answer was whole'))
    socket.on('data', (chunk) => {
      wire = Buffer.concat([wire, chunk])
      const answer = whole(wire)
      if (answer === null) return
      if (answer === undefined) return fail(`an answer without a length: ${wire.toString('latin1')}`)
      socket.removeAllListeners('close').destroy()
      resolve(answer)
    })
  })
}

/** Null when more must come, undefined when it has no length: chunked answers have framing, whose bytes differ from run to run. */
function whole(wire) {
  const end = wire.indexOf('\r\n\r\n')
  if (end === -1) return null
  const head = wire.toString('latin1', 0, end)
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1])
  if (Number.isNaN(length)) return undefined
  if (wire.length < end + 4 + length) return null
  return { status: Number(head.split(' ')[1]), body: wire.toString('utf8', end + 4, end + 4 + length), bytes: end + 4 + length }
}

/** Before and after: the answer is the one that the backend gave, to the byte. */
export async function verify(target, question, answer) {
  const seen = await look(target, question)
  if (seen.status !== 200 || seen.body !== answer) {
    throw new BrokenBench(`${target.running.name} answered ${seen.status} with ${JSON.stringify(seen.body.slice(0, 200))}`)
  }
  return seen.bytes
}
