import { expect } from 'chai'
import { isCommon } from '../../src/platform/common-passwords.js'

describe('common passwords', () => {
  it('are known, in any case', () => {
    for (const password of ['password', '12345678', 'PassWord', 'qwertyuiop', 'football', 'trustno1', '24081990'])
      expect(isCommon(password), password).to.equal(true)
  })

  it('are none that few have', () => {
    for (const password of ['correct horse', 'demo-password', 'jklöä1234#', 'пароль-моей-мамы'])
      expect(isCommon(password), password).to.equal(false)
  })
})
