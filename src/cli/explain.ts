import { type Config, ConfigError, type Fault, loadConfig, loadPaths } from '../config.ts'
import { EXIT, Exit } from './terminal.ts'

/** The configuration, or an end that names every fault with its line. */
export const loadOrExplain = (): Config => explained(loadConfig)

/** The same for commands that need no more than the paths of it. */
export const pathsOrExplain = (): ReturnType<typeof loadPaths> => explained(loadPaths)

function explained<T>(load: () => T): T {
  try {
    return load()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const { length } = error.faults
    const lines = faultLines(error.faults).map((line) => `  ${line}`)
    throw new Exit(EXIT.usage, `The configuration has ${length} fault${length === 1 ? '' : 's'}:\n${lines.join('\n')}`)
  }
}

/** In the order in which an editor meets them: first what stands in no file, then line by line. */
export function faultLines(faults: readonly Fault[]): readonly string[] {
  const line = ({ where }: Fault): number => Number(/:(\d+)(?: |$)/.exec(where)?.[1] ?? 0)
  return [...faults].sort((a, b) => line(a) - line(b)).map(({ where, what }) => `${where}: ${what}`)
}
