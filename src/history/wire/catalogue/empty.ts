import type { Table } from './table.js'

/** What there is none of here, with the columns that tools name. */
export const emptyTables: readonly Table[] = [
  [
    'pg_index',
    'indexrelid BIGINT, indrelid BIGINT, indnatts SMALLINT, indnkeyatts SMALLINT, indisunique BOOLEAN, indisprimary BOOLEAN, indisexclusion BOOLEAN, indimmediate BOOLEAN, indisclustered BOOLEAN, indisvalid BOOLEAN, indisready BOOLEAN, indislive BOOLEAN, indisreplident BOOLEAN, indnullsnotdistinct BOOLEAN, indkey SMALLINT[], indcollation BIGINT[], indclass BIGINT[], indoption SMALLINT[], indexprs VARCHAR, indpred VARCHAR',
  ],
  [
    'pg_constraint',
    'oid BIGINT, tableoid BIGINT, conname VARCHAR, connamespace BIGINT, contype VARCHAR, condeferrable BOOLEAN, condeferred BOOLEAN, convalidated BOOLEAN, conrelid BIGINT, contypid BIGINT, conindid BIGINT, conparentid BIGINT, confrelid BIGINT, confupdtype VARCHAR, confdeltype VARCHAR, confmatchtype VARCHAR, conislocal BOOLEAN, coninhcount INTEGER, connoinherit BOOLEAN, conkey SMALLINT[], confkey SMALLINT[], conbin VARCHAR',
  ],
  ['pg_attrdef', 'oid BIGINT, adrelid BIGINT, adnum SMALLINT, adbin VARCHAR'],
  ['pg_enum', 'oid BIGINT, enumtypid BIGINT, enumsortorder FLOAT, enumlabel VARCHAR'],
  ['pg_range', 'rngtypid BIGINT, rngsubtype BIGINT, rngmultitypid BIGINT, rngcollation BIGINT'],
  ['pg_inherits', 'inhrelid BIGINT, inhparent BIGINT, inhseqno INTEGER, inhdetachpending BOOLEAN'],
  [
    'pg_collation',
    'oid BIGINT, tableoid BIGINT, collname VARCHAR, collnamespace BIGINT, collowner BIGINT, collprovider VARCHAR, collisdeterministic BOOLEAN, collencoding INTEGER, collcollate VARCHAR, collctype VARCHAR, colliculocale VARCHAR, collversion VARCHAR',
  ],
  [
    'pg_policy',
    'oid BIGINT, tableoid BIGINT, polname VARCHAR, polrelid BIGINT, polcmd VARCHAR, polpermissive BOOLEAN, polroles BIGINT[], polqual VARCHAR, polwithcheck VARCHAR',
  ],
  [
    'pg_trigger',
    'oid BIGINT, tableoid BIGINT, tgrelid BIGINT, tgname VARCHAR, tgisinternal BOOLEAN, tgenabled VARCHAR, tgparentid BIGINT, tgconstraint BIGINT, tgfoid BIGINT, tgtype SMALLINT',
  ],
  ['pg_matviews', 'schemaname VARCHAR, matviewname VARCHAR, matviewowner VARCHAR, definition VARCHAR, ispopulated BOOLEAN'],
  [
    'pg_rewrite',
    'oid BIGINT, tableoid BIGINT, rulename VARCHAR, ev_class BIGINT, ev_type VARCHAR, ev_enabled VARCHAR, is_instead BOOLEAN',
  ],
  ['pg_foreign_table', 'ftrelid BIGINT, ftserver BIGINT, ftoptions VARCHAR[]'],
  ['pg_partitioned_table', 'partrelid BIGINT, partstrat VARCHAR, partnatts SMALLINT'],
  [
    'pg_statistic_ext',
    'oid BIGINT, stxrelid BIGINT, stxname VARCHAR, stxnamespace BIGINT, stxkind VARCHAR[], stxstattarget INTEGER',
  ],
  [
    'pg_publication',
    'oid BIGINT, pubname VARCHAR, pubowner BIGINT, puballtables BOOLEAN, pubinsert BOOLEAN, pubupdate BOOLEAN, pubdelete BOOLEAN, pubtruncate BOOLEAN, pubviaroot BOOLEAN',
  ],
  ['pg_publication_rel', 'oid BIGINT, prpubid BIGINT, prrelid BIGINT, prqual VARCHAR, prattrs SMALLINT[]'],
  ['pg_publication_namespace', 'oid BIGINT, pnpubid BIGINT, pnnspid BIGINT'],
  [
    'pg_sequence',
    'seqrelid BIGINT, seqtypid BIGINT, seqstart BIGINT, seqincrement BIGINT, seqmax BIGINT, seqmin BIGINT, seqcache BIGINT, seqcycle BOOLEAN',
  ],
  ['pg_sequences', 'schemaname VARCHAR, sequencename VARCHAR'],
  [
    'pg_extension',
    'oid BIGINT, tableoid BIGINT, extname VARCHAR, extnamespace BIGINT, extversion VARCHAR, extowner BIGINT, extrelocatable BOOLEAN, extconfig BIGINT[], extcondition VARCHAR[]',
  ],
  [
    'pg_depend',
    'classid BIGINT, objid BIGINT, objsubid INTEGER, refclassid BIGINT, refobjid BIGINT, refobjsubid INTEGER, deptype VARCHAR',
  ],
  ['pg_shdescription', 'objoid BIGINT, classoid BIGINT, description VARCHAR'],
  [
    'pg_proc',
    'oid BIGINT, tableoid BIGINT, proname VARCHAR, pronamespace BIGINT, prokind VARCHAR, prorettype BIGINT, proretset BOOLEAN, proargtypes VARCHAR, pronargs SMALLINT, proargnames VARCHAR[], proargmodes VARCHAR[], proallargtypes BIGINT[], prolang BIGINT, proowner BIGINT, provolatile VARCHAR, proparallel VARCHAR, prosecdef BOOLEAN, proacl VARCHAR, prosrc VARCHAR, probin VARCHAR',
  ],
  [
    'pg_opclass',
    'oid BIGINT, tableoid BIGINT, opcmethod BIGINT, opcname VARCHAR, opcnamespace BIGINT, opcowner BIGINT, opcfamily BIGINT, opcintype BIGINT, opcdefault BOOLEAN, opckeytype BIGINT',
  ],
  [
    'pg_operator',
    'oid BIGINT, tableoid BIGINT, oprname VARCHAR, oprnamespace BIGINT, oprkind VARCHAR, oprleft BIGINT, oprright BIGINT, oprresult BIGINT, oprcode VARCHAR',
  ],
  [
    'pg_cast',
    'oid BIGINT, tableoid BIGINT, castsource BIGINT, casttarget BIGINT, castfunc BIGINT, castcontext VARCHAR, castmethod VARCHAR',
  ],
  [
    'pg_foreign_data_wrapper',
    'oid BIGINT, tableoid BIGINT, fdwname VARCHAR, fdwowner BIGINT, fdwhandler BIGINT, fdwvalidator BIGINT, fdwacl VARCHAR, fdwoptions VARCHAR[]',
  ],
  [
    'pg_foreign_server',
    'oid BIGINT, tableoid BIGINT, srvname VARCHAR, srvowner BIGINT, srvfdw BIGINT, srvtype VARCHAR, srvversion VARCHAR, srvacl VARCHAR, srvoptions VARCHAR[]',
  ],
  ['pg_opfamily', 'oid BIGINT, tableoid BIGINT, opfmethod BIGINT, opfname VARCHAR, opfnamespace BIGINT, opfowner BIGINT'],
  [
    'pg_amop',
    'oid BIGINT, amopfamily BIGINT, amoplefttype BIGINT, amoprighttype BIGINT, amopstrategy SMALLINT, amoppurpose VARCHAR, amopopr BIGINT, amopmethod BIGINT, amopsortfamily BIGINT',
  ],
  [
    'pg_amproc',
    'oid BIGINT, amprocfamily BIGINT, amproclefttype BIGINT, amprocrighttype BIGINT, amprocnum SMALLINT, amproc BIGINT',
  ],
  ['pg_aggregate', 'aggfnoid BIGINT, aggkind VARCHAR, aggtransfn BIGINT, aggtranstype BIGINT, agginitval VARCHAR'],
  [
    'pg_conversion',
    'oid BIGINT, tableoid BIGINT, conname VARCHAR, connamespace BIGINT, conowner BIGINT, conforencoding INTEGER, contoencoding INTEGER, conproc BIGINT, condefault BOOLEAN',
  ],
  ['pg_ts_config', 'oid BIGINT, cfgname VARCHAR, cfgnamespace BIGINT, cfgowner BIGINT, cfgparser BIGINT'],
  [
    'pg_ts_dict',
    'oid BIGINT, dictname VARCHAR, dictnamespace BIGINT, dictowner BIGINT, dicttemplate BIGINT, dictinitoption VARCHAR',
  ],
  [
    'pg_ts_parser',
    'oid BIGINT, prsname VARCHAR, prsnamespace BIGINT, prsstart BIGINT, prstoken BIGINT, prsend BIGINT, prsheadline BIGINT, prslextype BIGINT',
  ],
  ['pg_ts_template', 'oid BIGINT, tmplname VARCHAR, tmplnamespace BIGINT, tmplinit BIGINT, tmpllexize BIGINT'],
  [
    'pg_event_trigger',
    'oid BIGINT, tableoid BIGINT, evtname VARCHAR, evtevent VARCHAR, evtowner BIGINT, evtfoid BIGINT, evtenabled VARCHAR, evttags VARCHAR[]',
  ],
  ['pg_db_role_setting', 'setdatabase BIGINT, setrole BIGINT, setconfig VARCHAR[]'],
  ['pg_default_acl', 'oid BIGINT, defaclrole BIGINT, defaclnamespace BIGINT, defaclobjtype VARCHAR, defaclacl VARCHAR[]'],
  ['pg_largeobject_metadata', 'oid BIGINT, lomowner BIGINT, lomacl VARCHAR[]'],
  ['pg_user_mapping', 'oid BIGINT, umuser BIGINT, umserver BIGINT, umoptions VARCHAR[]'],
  [
    'pg_subscription',
    'oid BIGINT, subdbid BIGINT, subname VARCHAR, subowner BIGINT, subenabled BOOLEAN, subpublications VARCHAR[]',
  ],
  ['pg_indexes', 'schemaname VARCHAR, tablename VARCHAR, indexname VARCHAR, tablespace VARCHAR, indexdef VARCHAR'],
  [
    'pg_locks',
    'locktype VARCHAR, database BIGINT, relation BIGINT, pid INTEGER, mode VARCHAR, granted BOOLEAN, virtualtransaction VARCHAR, transactionid BIGINT',
  ],
  [
    'pg_stat_user_tables',
    'relid BIGINT, schemaname VARCHAR, relname VARCHAR, seq_scan BIGINT, idx_scan BIGINT, n_live_tup BIGINT, n_dead_tup BIGINT, last_vacuum TIMESTAMPTZ, last_analyze TIMESTAMPTZ',
  ],
  ['pg_stats', 'schemaname VARCHAR, tablename VARCHAR, attname VARCHAR, null_frac FLOAT, n_distinct FLOAT'],
  ['pg_auth_members', 'roleid BIGINT, member BIGINT, grantor BIGINT, admin_option BOOLEAN'],
  [
    'pg_language',
    'oid BIGINT, tableoid BIGINT, lanname VARCHAR, lanowner BIGINT, lanispl BOOLEAN, lanpltrusted BOOLEAN, lanplcallfoid BIGINT, laninline BIGINT, lanvalidator BIGINT, lanacl VARCHAR',
  ],
  ['pg_stat_activity', 'datid BIGINT, datname VARCHAR, pid INTEGER, usename VARCHAR, state VARCHAR, query VARCHAR'],
  [
    'is_key_column_usage',
    'constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, ordinal_position INTEGER',
  ],
  [
    'is_table_constraints',
    'constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, constraint_type VARCHAR',
  ],
  [
    'is_referential_constraints',
    'constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, unique_constraint_catalog VARCHAR, unique_constraint_schema VARCHAR, unique_constraint_name VARCHAR, match_option VARCHAR, update_rule VARCHAR, delete_rule VARCHAR',
  ],
  [
    'is_constraint_column_usage',
    'table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR',
  ],
  [
    'is_routines',
    'specific_catalog VARCHAR, specific_schema VARCHAR, specific_name VARCHAR, routine_catalog VARCHAR, routine_schema VARCHAR, routine_name VARCHAR, routine_type VARCHAR, data_type VARCHAR',
  ],
  [
    'is_triggers',
    'trigger_catalog VARCHAR, trigger_schema VARCHAR, trigger_name VARCHAR, event_manipulation VARCHAR, event_object_schema VARCHAR, event_object_table VARCHAR',
  ],
  ['is_sequences', 'sequence_catalog VARCHAR, sequence_schema VARCHAR, sequence_name VARCHAR, data_type VARCHAR'],
]
