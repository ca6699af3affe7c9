import type { Knex } from 'knex'

/** Made anew at every start: it is a shop for a measurement. */
export const createTables = async (knex: Knex): Promise<void> => {
  await knex.schema.createTable('users', (table) => {
    table.bigIncrements('id')
    table.text('name').notNullable()
    table.text('email').notNullable().unique()
    table.text('password').notNullable()
    table.text('role').notNullable().defaultTo('customer')
  })
  await knex.schema.createTable('products', (table) => {
    table.bigIncrements('id')
    table.text('name').notNullable()
    table.integer('stock').notNullable()
    table.bigInteger('price')
  })
  await knex.schema.createTable('cart_lines', (table) => {
    table.bigInteger('user_id').notNullable().references('users.id')
    table.bigInteger('product_id').notNullable().references('products.id')
    table.integer('amount').notNullable()
    table.primary(['user_id', 'product_id'])
  })
  await knex.schema.createTable('orders', (table) => {
    table.bigIncrements('id')
    table.bigInteger('customer_id').notNullable().references('users.id').index()
    table.bigInteger('price').notNullable()
    table.text('status').notNullable()
    table.timestamp('at').notNullable().defaultTo(knex.fn.now())
  })
  await knex.schema.createTable('order_items', (table) => {
    table.bigInteger('order_id').notNullable().references('orders.id')
    table.bigInteger('product_id').notNullable().references('products.id')
    table.integer('quantity').notNullable()
    table.bigInteger('price')
    table.primary(['order_id', 'product_id'])
  })
  // Rows that are changed often find room on their own page, and then no index is touched.
  await knex.raw(
    'alter table products add check (stock >= 0), set (fillfactor = 20); alter table cart_lines set (fillfactor = 50)',
  )
  await knex.raw(placeOrder)
}

/**
 * The whole of an order in one round trip and one transaction: each product by a conditional update, in the order that the caller sorted
 * them into, so that two orders never wait for each other in a circle. What it raises undoes all of it.
 */
const placeOrder = `
create function place_order(customer bigint, total bigint, word text, product_ids bigint[], quantities int[]) returns table (id bigint, prices text)
language plpgsql as $$
declare
  one bigint;
  sum bigint := 0;
  made bigint;
  found_prices bigint[] := '{}';
begin
  for i in 1 .. cardinality(product_ids) loop
    update products set stock = stock - quantities[i] where products.id = product_ids[i] and stock >= quantities[i]
      returning price into one;
    if not found then
      perform from products where products.id = product_ids[i];
      if found then raise exception 'short' using errcode = 'TS001'; end if;
      raise exception 'no such product' using errcode = 'TS002';
    end if;
    sum := sum + one * quantities[i];
    found_prices := found_prices || one;
  end loop;
  if sum <> total then raise exception 'the price is %', sum using errcode = 'TS003'; end if;
  insert into orders (customer_id, price, status) values (customer, total, word) returning orders.id into made;
  insert into order_items select made, * from unnest(product_ids, quantities, found_prices);
  return query select made, array_to_json(found_prices)::text;
end $$`
