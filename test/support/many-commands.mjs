// Runs commands of ours one after the other in one process, and prints as JSON what each of them printed: a start costs more than most commands.
import { text } from 'node:stream/consumers'
import { programFor } from '../../src/cli/program.ts'
import { say } from '../../src/cli/terminal.ts'

const commands = JSON.parse(await text(process.stdin))
const print = process.stdout.write.bind(process.stdout)
let current = { out: '', err: '' }
const into =
  (stream) =>
  (chunk, ...rest) => {
    current[stream] += Buffer.from(chunk).toString('latin1')
    rest.find((one) => typeof one === 'function')?.()
    return true
  }
process.stdout.write = into('out')
process.stderr.write = into('err')
const ran = []
for (const { words, env } of commands) {
  Object.assign(process.env, env)
  current = { out: '', err: '' }
  process.exitCode = 0
  try {
    const program = await programFor(words)
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    say.error(say.reason(error))
    process.exitCode = error.exitCode ?? 3
  }
  ran.push({ words, ...current, status: process.exitCode ?? 0 })
}
process.exitCode = 0
print(JSON.stringify(ran))
