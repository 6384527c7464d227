import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { openBeside } from '../storage/index.ts'
import { Bookkeeper } from './bookkeeper.ts'
import { withDays } from './days/store.ts'
import type { Order, WorkerData } from './messages.ts'
import { letOthersGoFirst } from './modest.ts'

/**
 * The thread that keeps the accounts: it follows the ledger and answers what takes long, over a connection of its own, so that neither the event loop nor
 * the writers of the main thread wait for it.
 */
async function work(port: MessagePort, { storeFile, ledgerFile, bounds }: WorkerData): Promise<void> {
  const store = openBeside({ file: storeFile })
  const bookkeeper = new Bookkeeper({ db: withDays(store.db), ledgerFile, bounds, say: (word) => port.postMessage(word) })
  let modest = false
  await new Promise<void>((resolve) => {
    port.on('message', (order: Order) => {
      // A start is waited for, and so is a command's answer; from the first order to follow on there are requests to serve. There is no way back from it.
      if (order.order === 'follow' && !modest) {
        modest = true
        letOthersGoFirst()
      }
      if (order.order === 'stop') resolve()
      else bookkeeper.obey(order)
    })
  })
  await bookkeeper.stop()
  await store.close()
  port.close()
}

// Only thread.ts starts this file, and gives it these.
if (parentPort) await work(parentPort, workerData as WorkerData)
