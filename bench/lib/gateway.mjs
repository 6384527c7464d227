import { mkdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { scratch } from './cleanup.mjs'
import { freePort, SUBJECT_CORE, start } from './processes.mjs'

/** What is measured: the build of this tree, unless `BENCH_GATEWAY` names another one to compare with. */
export const GATEWAY = process.env.BENCH_GATEWAY ?? fileURLToPath(new URL('../../dist/cli/portcullis.js', import.meta.url))

/** Variables and options that the program's first line gives itself (`#!/usr/bin/env -S NAME=value node --option`), which starting it by `node` would leave out. */
function ownWishes() {
  const words = /^#!\S+ -S (.*)$/m.exec(readFileSync(GATEWAY, 'utf8').split('\n', 1)[0])?.[1]?.split(' ') ?? []
  const isVariable = (word) => /^[A-Z_]+=/.test(word)
  return {
    env: Object.fromEntries(words.filter(isVariable).map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)])),
    node: words.filter((word) => word.startsWith('--')),
  }
}

/**
 * Settings of a gateway on a data directory of its own. Limits that would stop one caller from being a crowd are off, by the settings a person would use:
 * the load's address is a trusted proxy. Segments are not ended, because compressing them is work for later and for another core (see sections/ledger.mjs).
 */
export function settings({ home, port, backend, sync = 'sync', env = {} }) {
  return {
    DATA_DIR: join(home, 'data'),
    AUDIT_LOG_FILE: join(home, 'logs', 'audit.log'),
    AUDIT_SYNC: sync,
    AUDIT_ROTATE_MIB: '4096',
    HOST: '127.0.0.1',
    PORT: String(port),
    OLLAMA_URL: `http://127.0.0.1:${backend}`,
    TTS_ENABLED: 'false',
    IMAGE_ENABLED: 'false',
    WHISPER_ENABLED: 'false',
    TRUSTED_PROXIES: '127.0.0.1/32',
    LOG_LEVEL: 'warn',
    PORTCULLIS_CONFIG: undefined,
    API_KEYS_FILE: undefined,
    ...env,
  }
}

/** A gateway that listens, with nothing in its store unless `home` holds one. */
export async function startGateway({ name = 'portcullis', backend, sync, env, home = scratch('gateway'), core = SUBJECT_CORE, node = [] }) {
  const port = await freePort()
  mkdirSync(join(home, 'logs'), { recursive: true })
  const own = ownWishes()
  const variables = { ...own.env, ...settings({ home, port, backend, sync, env }) }
  const args = [...own.node, ...node, GATEWAY, 'serve']
  const running = await start({ name, command: process.execPath, args, port, core, env: variables })
  return Object.assign(running, { home, variables, ledger: variables.AUDIT_LOG_FILE })
}

/** A key without limits, made through the management socket. */
export async function newKey({ home }, rights = ['all']) {
  const { status, body } = await manage(home, 'POST', '/admin/api/keys', { user: 'bench', rights, concurrency: 0 })
  if (status !== 201) throw new Error(`no key: ${status} ${body}`)
  return JSON.parse(body).api_key
}

export function manage(home, method, path, value) {
  return new Promise((resolve, reject) => {
    const headers = { host: 'portcullis', 'content-type': 'application/json' }
    const sent = request({ socketPath: join(home, 'data', 'portcullis.sock'), method, path, headers }, (answer) => {
      let body = ''
      answer.setEncoding('utf8')
      answer.on('data', (text) => {
        body += text
      })
      answer.on('end', () => resolve({ status: answer.statusCode, body }))
    })
    sent.on('error', reject)
    sent.end(value === undefined ? '' : JSON.stringify(value))
  })
}
