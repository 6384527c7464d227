#!/usr/bin/env node
// Finds the programs that tests and benches use. What is on PATH is taken; what is not is fetched as Debian packages into .cache/tools and
// unpacked there, so that nothing is installed, started or configured on the person's system, and no root is needed.
// As a command: `node scripts/tools.mjs caddy wrk` prints where each is; with no names, all of them. PORTCULLIS_TOOLS=fetch ignores PATH.
import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const CACHE = fileURLToPath(new URL('../.cache/tools', import.meta.url))
const FETCH_MS_MAX = 180_000
const CHILD = { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, env: { ...process.env, LC_ALL: 'C' } }

/**
 * `bin`: where the package puts the program. `file`: instead of it, a data file. `probe`: arguments that make it print and end. `args`: what it needs to find its own data under a root.
 * `skip`: packages its dependencies name that these uses never touch.
 */
const TOOLS = {
  caddy: { packages: ['caddy'], bin: 'usr/bin/caddy', probe: ['version'], skip: ['libnss3-tools', 'libnss3', 'libnspr4', 'media-types'] },
  strace: { packages: ['strace'], bin: 'usr/bin/strace', probe: ['-V'] },
  wrk: { packages: ['wrk'], bin: 'usr/bin/wrk', probe: ['-v'] },
  nginx: { packages: ['nginx'], bin: 'usr/sbin/nginx', probe: ['-v'], skip: ['nginx-common', 'iproute2', 'perl', 'debconf'] },
  flite: { packages: ['flite'], bin: 'usr/bin/flite', probe: ['--version'] },
  sox: { packages: ['sox'], bin: 'usr/bin/sox', probe: ['--version'] },
  pocketsphinx_continuous: {
    packages: ['pocketsphinx', 'pocketsphinx-en-us'],
    bin: 'usr/bin/pocketsphinx_continuous',
    probe: ['-help'],
    args: (root) => {
      const model = join(root, 'usr/share/pocketsphinx/model/en-us')
      return ['-hmm', join(model, 'en-us'), '-lm', join(model, 'en-us.lm.bin'), '-dict', join(model, 'cmudict-en-us.dict')]
    },
  },
  // Not a program: the Compose specification's JSON schema, which docker-compose carries.
  'compose-schema': { packages: ['docker-compose'], file: 'usr/lib/python3/dist-packages/compose/config/compose_spec.json' },
}

export const toolNames = Object.keys(TOOLS)

/** The C library must be the one that the system's loader belongs to, so these are never unpacked beside it. */
const NEVER_UNPACKED = new Set(['libc6', 'libc-bin', 'libcrypt1', 'libgcc-s1', 'gcc-12-base', 'base-files', 'dpkg', 'perl-base', 'debconf'])

const found = new Map()

/** A tool by its name: `{path, env, args, from}`, or `{missing}` with a sentence that says why. Asked once per process. */
export function tool(name) {
  let answer = found.get(name)
  if (!answer) {
    answer = locate(name)
    found.set(name, answer)
  }
  return answer
}

function locate(name) {
  const spec = Object.hasOwn(TOOLS, name) ? TOOLS[name] : undefined
  if (!spec) return { missing: `no tool is named ${name}; there are ${toolNames.join(', ')}` }
  const args = (root) => spec.args?.(root) ?? []
  if (process.env.PORTCULLIS_TOOLS !== 'fetch') {
    const path = spec.file ? [join('/', spec.file)].find(existsSync) : onPath(name)
    const dataThere = args('/').every((word) => !word.startsWith('/') || existsSync(word))
    if (path && dataThere) return { path, env: {}, args: args('/'), from: 'the system' }
  }
  const root = join(CACHE, name)
  try {
    if (existsSync(root) && !runs(spec, root)) rmSync(root, { recursive: true, force: true })
    if (!existsSync(root)) fetchInto(name, spec, root)
    return { path: join(root, spec.file ?? spec.bin), env: spec.file ? {} : libraryPath(root), args: args(root), from: '.cache/tools' }
  } catch (fault) {
    return { missing: `${name} is not on PATH and could not be fetched: ${fault.message}` }
  }
}

function onPath(name) {
  // A plain user's PATH often lacks the sbin directories, where nginx lives.
  const places = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return places
    .filter((place) => place !== '')
    .map((place) => join(place, name))
    .find(isExecutable)
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function libraryPath(root) {
  const triplets = ['usr/lib', 'lib'].flatMap((dir) => directoriesIn(join(root, dir)).filter((path) => path.endsWith('-linux-gnu')))
  // One level deeper are libraries that an installed system reaches by links (blas, lapack) that unpacking does not make.
  const places = triplets.flatMap((dir) => [dir, ...directoriesIn(dir).filter(holdsLibraries)])
  const own = process.env.LD_LIBRARY_PATH
  return { LD_LIBRARY_PATH: [...places, ...(own ? [own] : [])].join(':') }
}

function directoriesIn(dir) {
  if (!existsSync(dir)) return []
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(dir, entry.name))
}

const holdsLibraries = (dir) => readdirSync(dir).some((file) => file.includes('.so'))

/** Whether the unpacked program starts here (or the file is there): a missing library ends it with 127 before it can say anything else. */
function runs(spec, root) {
  if (spec.file) return existsSync(join(root, spec.file))
  const result = spawnSync(join(root, spec.bin), spec.probe, {
    env: { ...process.env, ...libraryPath(root) },
    timeout: 20_000,
    encoding: 'utf8',
  })
  if (!result.error && result.status !== 127 && result.signal === null) return true
  spec.fault = result.error?.message ?? result.stderr.trim().split('\n')[0] ?? `signal ${result.signal}`
  return false
}

function fetchInto(name, spec, root) {
  if (process.platform !== 'linux' || !onPath('apt-get') || !onPath('dpkg-deb'))
    throw new Error('this system has no apt-get to fetch Debian packages with')
  mkdirSync(CACHE, { recursive: true })
  const work = mkdtempSync(join(CACHE, `${name}.partial-`))
  try {
    download(spec, work)
    const unpacked = join(work, 'root')
    mkdirSync(unpacked)
    for (const deb of readdirSync(work).filter((file) => file.endsWith('.deb'))) run('dpkg-deb', ['-x', join(work, deb), unpacked])
    if (!runs(spec, unpacked)) throw new Error(`unpacked, but it does not start: ${spec.fault}`)
    try {
      renameSync(unpacked, root)
    } catch (fault) {
      // Another process fetched the same tool meanwhile; its copy is as good.
      if (!existsSync(root)) throw fault
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** The system's package lists first; when they are empty or older than the archive, lists of our own under .cache. */
function download(spec, work) {
  try {
    downloadWith(spec, work, aptOptions(false))
  } catch (first) {
    try {
      const options = aptOptions(true)
      run('apt-get', [...options, 'update'])
      downloadWith(spec, work, options)
    } catch (second) {
      throw second.message === first.message ? second : new Error(`${second.message} (with the system's package lists: ${first.message})`)
    }
  }
}

function downloadWith(spec, work, options) {
  const present = installedPackages()
  const wanted = new Set()
  // The packages themselves even when they are installed: their program may be off PATH.
  for (let level = spec.packages; level.length > 0; ) {
    const known = stanzasOf(level, options)
    for (const name of known.keys()) wanted.add(name)
    const needed = spec.file ? [] : [...known.values()].flatMap((stanza) => dependenciesOf(stanza, present))
    level = [...new Set(needed)].filter((name) => !present.has(name) && !wanted.has(name) && !spec.skip?.includes(name))
  }
  const unknown = spec.packages.filter((name) => !wanted.has(name))
  if (unknown.length > 0) throw new Error(`the package lists do not know ${unknown.join(', ')}`)
  run('apt-get', [...options, 'download', ...wanted], work)
}

/** Package name to its stanza; a name that only others provide has none and is left out. */
function stanzasOf(names, options) {
  const shown = spawnSync('apt-cache', [...options, 'show', '--no-all-versions', ...names], { ...CHILD, timeout: FETCH_MS_MAX })
  if (shown.error) throw shown.error
  const stanzas = shown.stdout.split('\n\n').filter((stanza) => stanza.startsWith('Package: '))
  return new Map(stanzas.map((stanza) => [stanza.slice('Package: '.length, stanza.indexOf('\n')), stanza]))
}

/** apt's own planner is not asked, because it refuses to plan on a system with any unmet dependency, however far from ours. */
function dependenciesOf(stanza, present) {
  const groups = [...stanza.matchAll(/^(?:Pre-)?Depends: (.*)$/gm)].flatMap((match) => match[1].split(','))
  return groups.map((group) => {
    const alternatives = group.split('|').map((word) => word.trim().split(/[ (:]/)[0])
    return alternatives.find((word) => present.has(word)) ?? alternatives[0]
  })
}

/** In the honest trial only what every Debian has counts as there. */
function installedPackages() {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills these in
  const format = '${db:Status-Status} ${Essential} ${Priority} ${Package}\n'
  const trial = process.env.PORTCULLIS_TOOLS === 'fetch'
  const names = run('dpkg-query', ['-W', '-f', format])
    .split('\n')
    .filter((line) => (trial ? /^installed (?:yes|no) (?:required|important) /.test(line) : line.startsWith('installed ')))
    .map((line) => line.slice(line.lastIndexOf(' ') + 1))
  return new Set([...names, ...NEVER_UNPACKED])
}

function aptOptions(ownLists) {
  const apt = join(CACHE, 'apt')
  for (const dir of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(apt, dir), { recursive: true })
  // Hooks of the system's own configuration would clean its caches and refresh its indexes after our update.
  const hooks = ['APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success']
  const conf = join(apt, 'apt.conf')
  if (!existsSync(conf)) writeFileSync(conf, hooks.map((hook) => `#clear ${hook};\n`).join(''))
  const values = [
    `Dir::Cache=${join(apt, 'cache')}`,
    'Debug::NoLocking=1',
    // apt drops to a user that cannot enter a private home directory; the files are verified by signature all the same.
    'APT::Sandbox::User=root',
    'Acquire::Retries=2',
    ...(ownLists ? [`Dir::State::lists=${join(apt, 'lists')}`] : []),
  ]
  return ['-q', '-c', conf, ...values.flatMap((value) => ['-o', value])]
}

function run(program, args, cwd) {
  const result = spawnSync(program, args, { ...CHILD, timeout: FETCH_MS_MAX, ...(cwd ? { cwd } : {}) })
  if (result.status === 0) return result.stdout
  const said = (result.stderr ?? '').split('\n').filter((line) => /^(?:E:|dpkg-deb:|Err:)/.test(line))
  throw new Error(`${program} failed: ${result.error?.message ?? said[0] ?? `exit ${result.status}`}`)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const names = process.argv.slice(2)
  let missing = 0
  for (const name of names.length > 0 ? names : toolNames) {
    const answer = tool(name)
    if (answer.missing) missing += 1
    process.stdout.write(answer.missing ? `${name}: missing: ${answer.missing}\n` : `${name}: ${answer.path} (${answer.from})\n`)
  }
  process.exit(missing === 0 ? 0 : 1)
}
