import type { EditedUserView, ListCreditsAnswer, ListUsersAnswer, UserView } from '../../contract/index.ts'
import type { CreditList, EditedUser, UserInfo, UserList } from '../../identity/index.ts'
import { formatMicro } from '../../kernel/index.ts'
import { maybeMoney, timeText } from '../texts.ts'

export const presentUser = (user: UserInfo): UserView => ({
  id: user.id,
  name: user.name,
  email: user.email,
  organisation: user.organisation,
  active: user.active,
  balance: maybeMoney(user.balanceMicro),
  rate: user.rate,
  concurrency: user.concurrency,
  tokens_per_minute: user.tokensPerMinute,
  budget_day: maybeMoney(user.budgetDayMicro),
  budget_month: maybeMoney(user.budgetMonthMicro),
  keys: user.keys,
  created_at: timeText(user.createdMs),
})

export const presentUsers = ({ users, next }: UserList): ListUsersAnswer => ({ users: users.map(presentUser), next })

export const presentEdited = (user: EditedUser): EditedUserView => ({
  ...presentUser(user),
  ...(user.takenMicro !== undefined && { taken: formatMicro(user.takenMicro) }),
})

export const presentCredits = ({ credits, next }: CreditList): ListCreditsAnswer => ({
  credits: credits.map(({ id, timeMs, amountMicro, note }) => ({ id, time: timeText(timeMs), amount: formatMicro(amountMicro), note })),
  next,
})
