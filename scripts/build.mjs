#!/usr/bin/env node
// Builds dist/ with plain tsc. Runs as npm's `prepare`; an install without the compiler keeps the dist/ it was given.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = `${root}node_modules/typescript/bin/tsc`
if (!existsSync(tsc)) {
  if (existsSync(`${root}dist`)) process.exit(0)
  console.error('dist/ is missing and the TypeScript compiler is not installed: run `npm ci` with development dependencies.')
  process.exit(1)
}
// Beside the old one and then in its place: whoever starts a command meanwhile finds a whole dist/, and a build that fails leaves what was.
const [fresh, old] = [`${root}dist.new`, `${root}dist.old`]
rmSync(fresh, { recursive: true, force: true })
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh], { cwd: root, stdio: 'inherit' })
if (status === 0) {
  chmodSync(`${fresh}/cli/portcullis.js`, 0o755)
  rmSync(old, { recursive: true, force: true })
  if (existsSync(`${root}dist`)) renameSync(`${root}dist`, old)
  renameSync(fresh, `${root}dist`)
  rmSync(old, { recursive: true, force: true })
}
process.exit(status ?? 1)
