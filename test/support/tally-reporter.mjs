// A vitest reporter for test/run.mjs: what vitest's own JSON report leaves out is why a test was skipped.
import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'

export default class TallyReporter {
  onTestRunEnd(modules, unhandledErrors, reason) {
    const tally = { passed: 0, failed: [], skipped: [], unhandled: unhandledErrors.length, reason }
    for (const module of modules) {
      const file = relative(process.cwd(), module.moduleId)
      for (const test of module.children.allTests()) {
        const { state, note } = test.result()
        if (state === 'passed') tally.passed += 1
        else if (state === 'skipped') tally.skipped.push({ name: `${file} > ${test.fullName}`, why: note ?? '' })
        else tally.failed.push(`${file} > ${test.fullName}${state === 'pending' ? ' (never ended)' : ''}`)
      }
      // A file that cannot be loaded, or a hook that fails, has an error of its own and maybe no test at all.
      if (module.state() === 'failed' && (module.errors().length > 0 || suitesFailed(module)))
        tally.failed.push(`${file} (the file or a hook)`)
    }
    writeFileSync(process.env.PORTCULLIS_TALLY, JSON.stringify(tally))
  }
}

const suitesFailed = (module) => [...module.children.allSuites()].some((suite) => suite.errors().length > 0)
