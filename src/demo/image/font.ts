import type { Canvas, Colour } from './canvas.ts'

export const GLYPH_WIDTH = 5
export const GLYPH_HEIGHT = 8
/** From the left edge of one letter to that of the next. */
export const ADVANCE = 6

/** Eight rows of five pixels, a row as one base-32 digit: `v` is a full row, `h` its two ends. The last row is for what hangs below the line. */
const GLYPHS: Readonly<Record<string, string>> = {
  ...{ A: 'ehhvhhh0', B: 'uhhuhhu0', C: 'ehggghe0', D: 'uhhhhhu0', E: 'vgguggv0', F: 'vgguggg0', G: 'ehgnhhf0', H: 'hhhvhhh0' },
  ...{ I: 'e44444e0', J: '72222ic0', K: 'hikokih0', L: 'ggggggv0', M: 'hrllhhh0', N: 'hhpljhh0', O: 'ehhhhhe0', P: 'uhhuggg0' },
  ...{ Q: 'ehhhlid0', R: 'uhhukih0', S: 'fgge11u0', T: 'v4444440', U: 'hhhhhhe0', V: 'hhhhha40', W: 'hhhllla0', X: 'hha4ahh0' },
  ...{ Y: 'hhha4440', Z: 'v1248gv0', a: '00e1fhf0', b: 'ggmphhu0', c: '00eghge0', d: '11djhhf0', e: '00ehvge0', f: '698s8880' },
  ...{ g: '00fhhf1e', h: 'ggmphhh0', i: '40c444e0', j: '206222ic', k: 'ggikoki0', l: 'c44444e0', m: '00qllhh0', n: '00mphhh0' },
  ...{ o: '00ehhhe0', p: '00uhhugg', q: '00djhf11', r: '00mpggg0', s: '00fge1u0', t: '88s88960', u: '00hhhjd0', v: '00hhha40' },
  ...{ w: '00hhlla0', x: '00ha4ah0', y: '00hhhf1e', z: '00v248v0', 0: 'ehjlphe0', 1: '4c4444e0', 2: 'eh1248v0', 3: 'v2421he0' },
  ...{ 4: '26aiv220', 5: 'vgu11he0', 6: '68guhhe0', 7: 'v1248880', 8: 'ehhehhe0', 9: 'ehhf12c0', ' ': '00000000', '!': '44444040' },
  ...{ '"': 'aaa00000', '#': 'aavavaa0', $: '4fke5u40', '%': 'op248j30', '&': 'cik8lid0', "'": 'c4800000', '(': '24888420' },
  ...{ ')': '84222480', '*': '04lel400', '+': '044v4400', ',': '00000c48', '-': '000v0000', '.': '00000cc0', '/': '01248g00' },
  ...{ ':': '0cc0cc00', ';': '0cc0c480', '<': '248g8420', '=': '00v0v000', '>': '84212480', '?': 'eh124040', '@': 'eh1dlle0' },
  ...{ '[': 'e88888e0', '\\': '0g842100', ']': 'e22222e0', '^': '4ah00000', _: '000000v0', '`': '84200000', '{': '24484420' },
  ...{ '|': '44444440', '}': '84424480', '~': '008l2000', '·': '000cc000', '…': '000000l0' },
}
const UNKNOWN = 'vhhhhhv0'

const PLAIN: Readonly<Record<string, string>> = { '“': '"', '”': '"', '„': '"', '’': "'", '‘': "'", '–': '-', '—': '-', '×': 'x', ß: 'ss' }

/** Text in the signs this font has: accents fall off, other scripts become boxes. */
export function drawable(text: string): string {
  const plain = [...text].map((sign) => PLAIN[sign] ?? sign).join('')
  return plain.normalize('NFD').replaceAll(/\p{M}/gu, '').replaceAll(/\s+/g, ' ').trim()
}

/** Draws from the top left corner; every pixel of a glyph becomes a square of `scale`. */
export function drawText(
  canvas: Canvas,
  text: string,
  { x, y, scale, colour }: { x: number; y: number; scale: number; colour: Colour },
): void {
  for (const [index, sign] of [...text].entries()) {
    const glyph = GLYPHS[sign] ?? UNKNOWN
    for (let row = 0; row < GLYPH_HEIGHT; row += 1) {
      const bits = Number.parseInt(glyph[row] ?? '0', 32)
      for (let column = 0; column < GLYPH_WIDTH; column += 1) {
        if ((bits >> (GLYPH_WIDTH - 1 - column)) & 1)
          canvas.fill(x + (index * ADVANCE + column) * scale, y + row * scale, scale, scale, colour)
      }
    }
  }
}

/** Lines of at most `columns` signs, broken at spaces; what does not fit into `lines` ends in an ellipsis. */
export function wrap(text: string, columns: number, lines: number): readonly string[] {
  const rows: string[] = []
  let row = ''
  for (const word of text.split(' ')) {
    const pieces = [...word].length > columns ? (word.match(new RegExp(`.{1,${columns}}`, 'gu')) ?? []) : [word]
    for (const piece of pieces) {
      if (row !== '' && [...row].length + 1 + [...piece].length > columns) {
        rows.push(row)
        row = piece
      } else row = row === '' ? piece : `${row} ${piece}`
    }
  }
  if (row !== '') rows.push(row)
  const last = rows[lines - 1]
  return rows.length > lines && last !== undefined ? [...rows.slice(0, lines - 1), `${last.slice(0, columns - 1)}…`] : rows
}
