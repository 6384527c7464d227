// Makes one report as the command does, in a process of its own, and says what it took. Arguments: the built src folder, a log, an output file.
const [, , built, log, output] = process.argv
const { reportCommand } = await import(`${built}/cli/report.js`)
const begunMs = performance.now()
const before = process.cpuUsage()
await reportCommand(() => ({ ledgerFile: log })).parseAsync(['--log-file', log, '--json', '--output', output], { from: 'user' })
const { user, system } = process.cpuUsage(before)
const figures = { ms: performance.now() - begunMs, cpuMs: (user + system) / 1_000, rssMiB: process.resourceUsage().maxRSS / 1_024 }
process.stdout.write(`${JSON.stringify(figures)}\n`)
