import { type Program, type ProgramOptions, startPortcullis } from './program.ts'

export interface RunningDemo {
  readonly program: Program
  readonly url: string
  readonly port: number
  readonly key: string
  readonly ledgerFile: string
  /** Its own directory. */
  readonly dir: string
  /** What it prints to be pasted, one line each. */
  readonly lines: readonly string[]
}

/** A demo that has said all it says. */
export async function startDemo(args: readonly string[], options: ProgramOptions = {}, program?: Program): Promise<RunningDemo> {
  const running = program ?? startPortcullis(['demo', ...args], options)
  try {
    await running.said(/Ctrl-C ends the demo/)
    const find = (what: RegExp): string => what.exec(running.out())?.[1] ?? ''
    const ledgerFile = find(/--log-file '([^']+)'/)
    return {
      program: running,
      url: find(/listens on (http:\S+)/),
      port: Number(find(/listens on http:\S+:(\d+)/)),
      key: find(/shown this once: (\S+)/),
      ledgerFile,
      dir: ledgerFile.replace(/\/[^/]+$/, ''),
      lines: running
        .out()
        .split('\n')
        .filter((line) => /^(?:curl |'|DATA_DIR=)/.test(line)),
    }
  } catch (error) {
    await running.kill()
    throw error
  }
}
