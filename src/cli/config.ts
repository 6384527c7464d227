import { Command } from 'commander'
import { loadOrExplain } from './explain.ts'
import { say } from './terminal.ts'

export function configCommand(): Command {
  const command = new Command('config').description('check the configuration')
  command
    .command('check')
    .description('read environment and portcullis.yaml, and name every fault with its line')
    .action(() => {
      const config = loadOrExplain()
      say.out(`The configuration is valid (${config.file ?? 'no portcullis.yaml; environment and defaults only'}).`)
      say.out(`  listens on   ${config.host}:${config.port}`)
      say.out(`  data         ${config.dataDir}`)
      say.out(`  ledger       ${config.audit.file} (${config.audit.sync})`)
      for (const { prefix, enabled, url, dialect, routes } of config.services) {
        const routesThere = `${routes.length} route${routes.length === 1 ? '' : 's'}`
        say.out(`  ${prefix.padEnd(12)} ${enabled ? `${url} (${dialect}, ${routesThere})` : 'disabled'}`)
      }
    })
  return command
}
