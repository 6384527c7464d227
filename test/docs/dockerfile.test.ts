import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')

interface Instruction {
  readonly word: string
  readonly rest: string
}

/** Comments gone, continued lines joined. */
function parseDockerfile(text: string): readonly Instruction[] {
  return text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [word = '', ...rest] = line.trim().split(/\s+/)
      return { word, rest: rest.join(' ') }
    })
}

const instructions = parseDockerfile(read('Dockerfile'))
const lastStage = instructions.slice(instructions.map(({ word }) => word).lastIndexOf('FROM'))
const of = (word: string, among = instructions) => among.filter((one) => one.word === word).map(({ rest }) => rest)

describe('the Dockerfile', () => {
  test('builds and runs on Node 24, slim, in separate stages', () => {
    const from = of('FROM')
    expect(from).toHaveLength(2)
    for (const image of from) expect(image).toMatch(/^node:24-[a-z]+-slim\b/)
    expect(of('RUN', lastStage).join()).not.toMatch(/npm|apt-get/)
  })

  test('installs what the lock file says', () => {
    const run = of('RUN').join('\n')
    expect(run).toContain('npm ci')
    expect(run).not.toMatch(/npm (?:i|install)\b/)
    expect(run).toContain('npm prune --omit=dev')
  })

  test('compiles better-sqlite3 from the sources of the lock file, with the headers of the Node that runs it', () => {
    expect(of('RUN').join('\n')).toContain('npm_config_nodedir=/usr/local npm rebuild better-sqlite3 --build-from-source')
  })

  test('runs as a user without privileges, said after everything is in place', () => {
    expect(lastStage.filter(({ word }) => ['USER', 'COPY', 'RUN'].includes(word)).at(-1)).toEqual({ word: 'USER', rest: 'node' })
  })

  test('starts the program without a shell, so that SIGTERM arrives', () => {
    const [command = '', ...more] = of('CMD', lastStage)
    expect(more).toEqual([])
    expect(JSON.parse(command)).toEqual(['dist/cli/portcullis.js', 'serve'])
    expect(of('ENTRYPOINT')).toEqual([])
    expect(of('STOPSIGNAL')).toEqual(['SIGTERM'])
  })

  test('says how its health is asked, without a shell', () => {
    const [check = ''] = of('HEALTHCHECK', lastStage)
    const words: unknown = JSON.parse(check.slice(check.indexOf('CMD') + 3))
    expect(words).toEqual(['node', '-e', expect.stringContaining('/health')])
  })

  test('keeps data and ledger apart, and listens on all addresses of the container', () => {
    const env = of('ENV', lastStage).join(' ')
    for (const pair of ['HOST=0.0.0.0', 'PORT=8080', 'DATA_DIR=/data', 'AUDIT_LOG_FILE=/logs/audit.log', 'NODE_ENV=production'])
      expect(env).toContain(pair)
  })

  test('brings in no secret and nothing from elsewhere', () => {
    expect(of('ADD')).toEqual([])
    expect(of('ARG')).toEqual([])
    expect(of('COPY')).not.toContain('. .')
    expect(of('ENV').join(' ')).not.toMatch(/KEY|TOKEN|SECRET|PASSWORD/)
    const ignored = read('.dockerignore').split('\n')
    expect(ignored.filter((line) => line !== '' && !line.startsWith('#'))[0]).toBe('*')
    expect(ignored.join()).not.toMatch(/!(?:secrets|\.env|logs|data)/)
  })

  test('what it copies is there, and let through by .dockerignore', () => {
    const letThrough = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    const sources = of('COPY')
      .filter((rest) => !rest.startsWith('--from'))
      .flatMap((rest) => rest.split(' ').slice(0, -1))
    expect(sources.filter((source) => !letThrough.some((open) => source === open || source.startsWith(`${open}/`)))).toEqual([])
    expect(sources.filter((source) => !existsSync(new URL(`../../${source}`, import.meta.url)))).toEqual([])
  })
})
