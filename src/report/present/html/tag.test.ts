import { expect, it } from 'vitest'
import { html, Markup } from './tag.ts'

it('escapes what is put into it, in text and in attributes alike', () => {
  const evil = `"><img src=x onerror='alert(1)'>&\u202e\u009b`
  const shown = '&quot;&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;\\u202e\\u009b'
  expect(html`<p title="${evil}">${evil}</p>`.text).toBe(`<p title="${shown}">${shown}</p>`)
  expect(html`<p>${[evil, [evil]]}</p>`.text).toBe(`<p>${shown}${shown}</p>`)
})

it('leaves its own markup, numbers to two places, and nothing for nothing', () => {
  expect(html`<p>${html`<b>${1 / 3}</b>`}${null}</p>`.text).toBe('<p><b>0.33</b></p>')
  expect(html`${new Markup('<hr>')}`.text).toBe('<hr>')
})
