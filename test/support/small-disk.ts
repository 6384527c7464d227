import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A disk of its own size that a test may fill. */
export interface SmallDisk {
  /** Writes until nothing more fits. */
  fill(): void
  free(): void
  unmount(): void
}

const mount = (dir: string, mib: number) => spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', dir], { encoding: 'utf8' })

/** Why this user may not mount one, or '' when he may. */
export function lacksMount(): string {
  if (process.env.CI === 'true') return ''
  const dir = mkdtempSync(join(tmpdir(), 'portcullis-mount-'))
  const { status, stderr } = mount(dir, 1)
  if (status === 0) spawnSync('umount', [dir])
  rmSync(dir, { recursive: true, force: true })
  return status === 0 ? '' : `a small tmpfs cannot be mounted: ${stderr.trim()}`
}

export function smallDisk(dir: string, mib: number): SmallDisk {
  mkdirSync(dir, { recursive: true })
  const { status, stderr } = mount(dir, mib)
  if (status !== 0) throw new Error(`cannot mount ${dir}: ${stderr}`)
  const ballast = join(dir, 'ballast')
  return {
    fill() {
      const { bavail, bsize } = statfsSync(dir)
      writeFileSync(ballast, Buffer.alloc(bavail * bsize))
    },
    free: () => rmSync(ballast, { force: true }),
    unmount: () => void spawnSync('umount', [dir]),
  }
}
