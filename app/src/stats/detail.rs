//! One table whole.

use contract::{
    format,
    stats::{ColumnView, ConstraintView, IndexStat, RelationKind, RelationName, TableDetail, TableStat},
};
use leptos::either::Either;

use super::{
    api::view_table,
    has_many_dead,
    rows::{Last, Rows, Size},
    spoken_name, table_link,
};
use crate::{
    address::{link, use_name, use_target},
    history::{HistoryCharts, use_history},
    prelude::*,
    ui::{Badge, Count, EmptyState, Load, PageHead, SizeBar, Tone, load_by},
};

/// One table: its sizes and activity, columns, indexes and constraints.
#[component]
pub fn TablePage() -> impl IntoView {
    let target = use_target();
    let (schema, name) = (use_name("schema"), use_name("name"));
    let named = Memo::new(move |_| (target.get(), schema.get(), name.get()));
    let detail = load_by(named, |(target, schema, name)| view_table(target, schema, name));
    view! {
        <Load resource=detail main=true let:detail>
            <Detail target=target.get_untracked() detail />
        </Load>
    }
}

#[component]
fn Detail(target: String, detail: TableDetail) -> impl IntoView {
    let TableDetail {
        table,
        comment,
        columns,
        indexes,
        constraints,
        partitions,
        query,
        server,
    } = detail;
    let files = table.kind.has_files();
    let relation = RelationName {
        schema: table.schema.clone(),
        name: table.name.clone(),
    };
    let of = StoredValue::new(target.clone());
    let known = use_history(
        Memo::new(move |_| of.get_value()),
        move || Some(relation.clone()),
        None,
    );
    let takes_rows = !matches!(table.kind, RelationKind::View | RelationKind::Materialized);
    let title = spoken_name(&table);
    let tab = format!("{title} of {target}");
    let kind = table.kind.name();
    let kind = match &server {
        Some(server) => format!("{kind}, whose rows are on the server {server}"),
        None => kind.to_owned(),
    };
    let comment = comment.unwrap_or_else(|| format!("A {kind} of {target}."));
    let parent = table
        .partition_of
        .clone()
        .map(|parent| (table_link(&target, &parent.schema, &parent.name), parent.name));
    let facts = move || {
        let parent = parent.clone();
        view! {
            {comment.clone()}
            {parent
                .map(|(href, name)| {
                    view! {
                        " · partition of "
                        <a class="link" href=href>
                            {name}
                        </a>
                    }
                })}
        }
    };
    let locked = table.estimated.then(|| {
        view! {
            <div class="banner warn" role="status">
                <span class="dot warn"></span>
                "Locked exclusively"
                <span>"Another session is changing this table. Sizes are those of the last vacuum; defaults and definitions can be read when it is done."</span>
            </div>
        }
    });
    view! {
        <PageHead title tab=Signal::stored(tab) facts up=("Tables", link(&target, "tables")) />
        {locked}
        {files.then(|| view! { <Figures table=table.clone() /> })}
        {files.then(|| view! { <HistoryCharts known /> })}
        <div class="cols">
            <div class="stack">
                {(!partitions.is_empty()).then(|| view! { <Partitions target partitions of=table.partitions /> })}
                {(files || !indexes.is_empty()).then(|| view! { <Indexes indexes /> })}
                {query.map(|query| view! { <Query query /> })}
                <Columns columns />
                {takes_rows.then(|| view! { <Constraints constraints /> })}
            </div>
            <div class="stack">
                <section class="card">
                    <div class="ch">
                        <h2>"Activity"</h2>
                    </div>
                    <div class="cb">
                        <Activity table />
                    </div>
                </section>
            </div>
        </div>
    }
}

/// The partitions of a partitioned table, largest first.
#[component]
fn Partitions(target: String, partitions: Vec<TableStat>, of: i64) -> impl IntoView {
    let largest = partitions
        .iter()
        .map(|table| table.total_bytes)
        .max()
        .unwrap_or(0);
    let shown = partitions.len() as i64;
    let title = if shown < of {
        format!(
            "Partitions (the largest {} of {})",
            format::exact(shown),
            format::exact(of)
        )
    } else {
        format!("Partitions ({})", format::exact(of))
    };
    let row = |table: TableStat| {
        let href = table_link(&target, &table.schema, &table.name);
        let below = (table.partitions > 0).then(|| {
            format::counted(
                usize::try_from(table.partitions).unwrap_or(0),
                "partition",
                "partitions",
            )
        });
        view! {
            <tr>
                <td class="mono">
                    <a class="link" href=href>
                        {spoken_name(&table)}
                    </a>
                    {below.map(|below| view! { <div class="muted small">{below}</div> })}
                </td>
                <td class="num">
                    <Rows rows=table.rows />
                </td>
                <td class="num">
                    {match table.kind.has_files() {
                        true => Either::Left(view! { <Size bytes=table.total_bytes estimated=table.estimated /> }),
                        false => Either::Right(view! { <span class="muted">{table.kind.name()}</span> }),
                    }}
                    " "
                    <span class="hide-s">
                        <SizeBar value=table.total_bytes largest />
                    </span>
                </td>
            </tr>
        }
    };
    let rows = partitions.into_iter().map(row).collect_view();
    view! {
        <section class="card">
            <div class="ch">
                <h2>{title}</h2>
            </div>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Partitions">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Partition"</th>
                            <th scope="col" class="num">
                                "Rows"
                            </th>
                            <th scope="col" class="num">
                                "Total"
                            </th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
}

/// What a view asks.
#[component]
fn Query(query: String) -> impl IntoView {
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Query"</h2>
            </div>
            <div class="cb">
                <pre class="mono">{query}</pre>
            </div>
        </section>
    }
}

#[component]
fn Figures(table: TableStat) -> impl IntoView {
    let estimated = table.estimated;
    let figure = move |label: &'static str, bytes: i64| {
        view! {
            <div class="card kpi">
                <div class="l">{label}</div>
                <div class="v">
                    <Size bytes estimated />
                </div>
            </div>
        }
    };
    view! {
        <section class="kpis four" aria-label="Sizes">
            {figure("Total", table.total_bytes)}
            {figure("Heap", table.heap_bytes)}
            {figure("Indexes", table.index_bytes)}
            {figure("TOAST", table.toast_bytes)}
        </section>
    }
}

#[component]
fn Activity(table: TableStat) -> impl IntoView {
    let dead_class = if has_many_dead(&table) { "warn-text" } else { "" };
    view! {
        <dl class="kv">
            <dt>"Rows"</dt>
            <dd>
                <Rows rows=table.rows />
                <span class="muted">" by the planner's estimate"</span>
            </dd>
            <dt>"Dead rows"</dt>
            <dd class=dead_class>
                <Count value=table.dead_rows />
            </dd>
            <dt>"Sequential scans"</dt>
            <dd>
                <Count value=table.sequential_scans />
            </dd>
            <dt>"Index scans"</dt>
            <dd>
                <Count value=table.index_scans />
            </dd>
            <dt>"Last vacuum"</dt>
            <dd>
                <Last at=table.last_vacuum />
            </dd>
            <dt>"Last analyze"</dt>
            <dd>
                <Last at=table.last_analyze />
            </dd>
        </dl>
    }
}

#[component]
fn Indexes(indexes: Vec<IndexStat>) -> impl IntoView {
    let largest = indexes.iter().map(|index| index.bytes).max().unwrap_or(0);
    let count = indexes.len();
    let rows = indexes
        .into_iter()
        .map(|index| view! { <IndexRow index largest /> })
        .collect_view();
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Indexes"</h2>
            </div>
            {if count == 0 {
                Either::Left(view! { <EmptyState title="No index" hint="Every search reads the whole table." /> })
            } else {
                Either::Right(
                    view! {
                        <div class="table-wrap" tabindex="0" role="region" aria-label="Indexes">
                            <table class="table">
                                <thead>
                                    <tr>
                                        <th scope="col">"Index"</th>
                                        <th scope="col" class="num">
                                            "Scans"
                                        </th>
                                        <th scope="col" class="num">
                                            "Size"
                                        </th>
                                    </tr>
                                </thead>
                                <tbody>{rows}</tbody>
                            </table>
                        </div>
                    },
                )
            }}
        </section>
    }
}

#[component]
fn IndexRow(index: IndexStat, largest: i64) -> impl IntoView {
    view! {
        <tr>
            <td class="wrap">
                <div class="row">
                    <b class="mono">{index.name}</b>
                    {index.primary.then(|| view! { <Badge tone=Tone::Off text="Primary key" /> })}
                    {(index.unique && !index.primary).then(|| view! { <Badge tone=Tone::Off text="Unique" /> })}
                    {(!index.valid).then(|| view! { <Badge tone=Tone::Bad text="Invalid" /> })}
                </div>
                <code class="mono muted">{index.definition}</code>
            </td>
            <td class="num">
                <Count value=index.scans />
            </td>
            <td class="num">
                <Size bytes=index.bytes estimated=index.estimated />
                " "
                <span class="hide-s">
                    <SizeBar value=index.bytes largest />
                </span>
            </td>
        </tr>
    }
}

#[component]
fn Columns(columns: Vec<ColumnView>) -> impl IntoView {
    let title = format!("Columns ({})", format::exact(columns.len() as i64));
    let row = |column: ColumnView| {
        view! {
            <tr>
                <td class="mono">{column.name}</td>
                <td class="mono">{column.sql_type}</td>
                <td>{if column.not_null { "refused" } else { "allowed" }}</td>
                <td class="mono wrap">{column.default}</td>
            </tr>
        }
    };
    view! {
        <section class="card">
            <div class="ch">
                <h2>{title}</h2>
            </div>
            <div class="table-wrap" tabindex="0" role="region" aria-label="Columns">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Column"</th>
                            <th scope="col">"Type"</th>
                            <th scope="col">"Null"</th>
                            <th scope="col">"Default"</th>
                        </tr>
                    </thead>
                    <tbody>{columns.into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </section>
    }
}

#[component]
fn Constraints(constraints: Vec<ConstraintView>) -> impl IntoView {
    let count = constraints.len();
    let row = |constraint: ConstraintView| {
        view! {
            <tr>
                <td class="mono">{constraint.name}</td>
                <td class="mono wrap">{constraint.definition}</td>
                <td>
                    {if constraint.validated {
                        Either::Left(view! { <Badge tone=Tone::Ok text="Valid" /> })
                    } else {
                        Either::Right(
                            view! {
                                <span title="rows that were there before it were not checked">
                                    <Badge tone=Tone::Warn text="Not validated" />
                                </span>
                            },
                        )
                    }}
                </td>
            </tr>
        }
    };
    let rows = constraints.into_iter().map(row).collect_view();
    view! {
        <section class="card">
            <div class="ch">
                <h2>"Constraints"</h2>
            </div>
            {if count == 0 {
                Either::Left(view! { <EmptyState title="No constraint" hint="The table takes every row that its types allow." /> })
            } else {
                Either::Right(
                    view! {
                        <div class="table-wrap" tabindex="0" role="region" aria-label="Constraints">
                            <table class="table">
                                <thead>
                                    <tr>
                                        <th scope="col">"Constraint"</th>
                                        <th scope="col">"Definition"</th>
                                        <th scope="col">"State"</th>
                                    </tr>
                                </thead>
                                <tbody>{rows}</tbody>
                            </table>
                        </div>
                    },
                )
            }}
        </section>
    }
}
