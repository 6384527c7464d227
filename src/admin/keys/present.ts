import type {
  ImportKeysAnswer,
  KeyView,
  KeyWithSecret as KeyWithSecretView,
  ListKeysAnswer,
  ValidateKeyAnswer,
} from '../../contract/index.ts'
import type { ImportReport, KeyInfo, KeyList, KeyVerdict, KeyWithSecret } from '../../identity/index.ts'
import { maybeMoney, maybeTime, timeText } from '../texts.ts'

/** Every field that leaves is named here: a column added to the store is not shown until somebody writes it down. */
export const presentKey = (key: KeyInfo): KeyView => ({
  id: key.id,
  user: key.user,
  rights: [...key.rights],
  description: key.description,
  state: key.state,
  rate: key.rate,
  concurrency: key.concurrency,
  tokens_per_minute: key.tokensPerMinute,
  budget_day: maybeMoney(key.budgetDayMicro),
  budget_month: maybeMoney(key.budgetMonthMicro),
  models: key.models && [...key.models],
  networks: key.networks && [...key.networks],
  log_content: key.logContent,
  created_at: timeText(key.createdMs),
  expires_at: maybeTime(key.expiresMs),
  disabled_at: maybeTime(key.disabledMs),
  rotated_at: maybeTime(key.rotatedMs),
  old_secret_until: maybeTime(key.oldSecretUntilMs),
  last_used_at: maybeTime(key.lastUsedMs),
  legacy: key.legacy,
})

/** The only time a key's text is shown. */
export const presentNewKey = ({ key, apiKey }: KeyWithSecret): KeyWithSecretView => ({ ...presentKey(key), api_key: apiKey.reveal() })

export const presentList = ({ keys, total, next }: KeyList): ListKeysAnswer => ({ keys: keys.map(presentKey), total, next })

export const presentVerdict = ({ valid, reason, key }: KeyVerdict): ValidateKeyAnswer => ({ valid, reason, key: key && presentKey(key) })

export const presentImport = ({ imported, disabled, unchanged, skipped }: ImportReport): ImportKeysAnswer => ({
  imported: imported.map(({ id, user, rights }) => ({ id, user, rights: [...rights] })),
  disabled: [...disabled],
  unchanged,
  skipped: skipped.map(({ entry, why }) => ({ entry, why })),
})
