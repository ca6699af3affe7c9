import { expect } from 'chai'
import { startTestApp, type TestApp } from './support/app.js'

describe('the app', () => {
  let app: TestApp
  before(async () => {
    app = await startTestApp()
  })
  after(() => app.stop())

  const post = (url: string, path: string, body: object) =>
    fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const ada = { email: 'ada@example.org', password: 'correct horse' }

  it('answers, and two processes on the same stores know the same people', async () => {
    expect((await post(app.url, '/register', ada)).status).to.equal(201)
    const other = await app.another('api')
    try {
      expect(other.url).to.not.equal(app.url)
      expect((await post(other.url, '/login', ada)).status).to.equal(200)
    } finally {
      await other.stop()
    }
    expect((await fetch(`${app.url}/health/ready`)).status).to.equal(200)
  })
})
