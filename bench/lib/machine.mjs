import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { tool } from '../../scripts/tools.mjs'
import { pinning, run } from './processes.mjs'

const own = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))

/** What a reader must know to compare the figures with those of another machine. */
export async function machineFacts() {
  const [nginx, caddy, wrk, git] = await Promise.all([
    versionOf('nginx', ['-v']),
    versionOf('caddy', ['version']),
    versionOf('wrk', ['-v']),
    run('git', ['rev-parse', '--short', 'HEAD']),
  ])
  const manifest = own('../package.json')
  return [
    ['Date', new Date().toISOString().slice(0, 10)],
    ['Commit', git.status === 0 ? git.stdout.trim() : 'unknown'],
    ['Processor', `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`],
    ['Memory', `${Math.round(totalmem() / 1024 ** 3)} GiB`],
    ['System', `Linux ${release()}`],
    ['Pinning', pinning],
    ['Node', process.versions.node],
    ['nginx', nginx],
    ['Caddy', caddy],
    ['wrk', wrk],
    ['hono, @hono/node-server', `${manifest.dependencies.hono}, ${manifest.dependencies['hono-node-server'].split('@').at(-1)}`],
    ['@portkey-ai/gateway', manifest.dependencies['@portkey-ai/gateway']],
  ]
}

async function versionOf(name, args) {
  const found = tool(name)
  if (found.missing) return 'not there'
  const { stdout, stderr } = await run(found.path, [...found.args, ...args], { env: found.env })
  return /\d+\.\d+(?:\.\d+)?/.exec(stdout + stderr)?.[0] ?? 'unknown'
}

/** Share of all cores that others used while `work` ran is not ours to know; the load average is what a reader can judge noise by. */
export const loadAverage = () => readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 1).map(Number)[0]
