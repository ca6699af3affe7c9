import { expect } from 'chai'
import { aCustomer, anEmail, aProduct, password, refused, theStaff } from './client.js'

describe('names', () => {
  const unseen = [' ', '\u200b', '\ufeff', '\u2060\u3164', 'Tea\u202e', '\u200dTea']

  it('that nobody could see, or that turn the text around them, are refused for products and people: 400', async () => {
    const [{ token }, ann] = [await theStaff(), await aCustomer()]
    for (const name of unseen) {
      const product = { body: { name, price: 1, stock: 1 }, token }
      await refused('POST /products/new', product, 400)
      const person = { name, email: anEmail(), password, confirm_password: password }
      await refused('POST /users/register', { body: person }, 400)
      await refused(`PUT /users/edit/${ann.id}`, { body: { old_password: password, name }, token: ann.token }, 400)
    }
  })

  it('are kept trimmed', async () => {
    expect((await aCustomer('  Zoë ')).name).to.equal('Zoë')
    const tea = await aProduct({ name: '\u00a0Green tea ' })
    expect(tea.name).to.equal('Green tea')
  })
})
