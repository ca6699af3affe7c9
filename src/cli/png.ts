import { createRequire } from 'node:module'
import { Resvg } from '@resvg/resvg-js'

/** The drawing in points, with letters that are the same on every machine. */
export const pngOf = (svg: string): Buffer => {
  const font = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf')
  const drawn = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: 2 },
    font: { fontFiles: [font], loadSystemFonts: false, defaultFontFamily: 'DejaVu Sans' },
  })
  return drawn.render().asPng()
}
