//! The databases that lie beside a live one: restored ones, and those that a swap took out.

use contract::{
    Fault,
    command::Act,
    jobs::JobId,
    session::Permission,
    swap::{DropSpec, Origin, SpareDatabase, SpareList},
};

use super::{api::drop_database, swap::SwapDialog};
use crate::{
    address::job_link,
    jobs::Work,
    prelude::*,
    rpc::ApiError,
    session::use_may,
    ui::{Ago, Badge, Bytes, ConfirmDialog, CopyCommand, FaultView, Icon, Menu, Tone, icons, needs_script},
};

/// One database a row, newest first, with what can be done with it.
#[component]
pub fn Spares(
    /// The databases.
    list: Signal<SpareList>,
    /// What the page and its job tell each other.
    work: Work,
) -> impl IntoView {
    let unknown = Memo::new(move |_| list.with(|list| list.unknown.clone()));
    view! {
        <section class="card" data-part="backup_spares">
            <div class="ch">
                <h2>"Beside the live database"</h2>
                <p>
                    {move || list.with(|list| format!("A swap gives the name {} to one of them; the live one is kept.", list.live))}
                </p>
            </div>
            {move || unknown.get().map(|fault: Fault| view! { <FaultView fault /> })}
            <div class="table-wrap" tabindex="0" role="region" aria-label="Databases beside the live one">
                <table class="table fold">
                    <thead>
                        <tr>
                            <th scope="col">"Database"</th>
                            <th scope="col">"What"</th>
                            <th scope="col">"Since"</th>
                            <th scope="col" class="num">
                                "Size"
                            </th>
                            <th scope="col">
                                <span class="sr-only">"Actions"</span>
                            </th>
                        </tr>
                    </thead>
                    <tbody>
                        <For
                            each=move || list.get().databases
                            // What it is may change with a swap.
                            key=|spare| (spare.database.clone(), spare.origin == Origin::Kept, spare.unusable.is_some())
                            let:spare
                        >
                            <Row spare list work />
                        </For>
                    </tbody>
                </table>
            </div>
        </section>
    }
}

#[component]
fn Row(spare: SpareDatabase, list: Signal<SpareList>, work: Work) -> impl IntoView {
    let (target, live) = list.with_untracked(|list| (list.target.clone(), list.live.clone()));
    // The way back leads to the one that was kept last.
    let is_back = {
        let name = spare.database.clone();
        list.with_untracked(|list| {
            let last = list.databases.iter().find(|spare| spare.origin == Origin::Kept);
            last.is_some_and(|last| last.database == name)
        })
    };
    let (swapping, dropping) = (RwSignal::new(false), RwSignal::new(false));
    let name = spare.database.clone();
    let (tone, word, meaning) = match spare.origin {
        Origin::Restored => (Tone::Info, "Restored", "made from a backup and compared with it"),
        Origin::Kept => (Tone::Off, "Was live", "it had the live name until a swap"),
    };
    let usable = spare.unusable.is_none();
    let may_swap = use_may(Permission::Swap) && usable;
    let may_drop = use_may(Permission::DropDatabase);
    let swap = may_swap.then(|| {
        let words = if is_back { "Go back…" } else { "Swap…" };
        needs_script(words);
        let words_of_command = match is_back {
            true => Act::SwapBack(&target),
            false => Act::Swap {
                target: &target,
                database: &name,
                live: &live,
            },
        }
        .line();
        view! {
            <button class="menu-item" type="button" on:click=move |_| swapping.set(true)>
                <Icon icon=icons::Again />
                {words}
            </button>
            <CopyCommand command=Signal::stored(words_of_command) />
        }
    });
    let drop = may_drop.then(|| {
        needs_script("Drop…");
        view! {
            <hr class="menu-sep" />
            <button class="menu-item bad-text" type="button" on:click=move |_| dropping.set(true)>
                <Icon icon=icons::Close />
                "Drop…"
            </button>
        }
    });
    let menu = (may_swap || may_drop).then(|| {
        view! {
            <Menu
                id=format!("spare-{name}")
                label=format!("Actions for {name}")
                button=|| view! { <Icon icon=icons::More /> }
            >
                {swap}
                {drop}
            </Menu>
        }
    });
    let job = spare.restore.map(JobId);
    view! {
        <tr>
            <td class="wrap">
                <span class="strong mono">{name.clone()}</span>
                {spare.unusable.map(|why| view! { <div class="bad-text small">{why}</div> })}
                {job.map(|job| view! { <div class="small"><a class="link" href=job_link(job)>"The restore and its report"</a></div> })}
            </td>
            <td>
                <span title=meaning>
                    <Badge tone text=word />
                </span>
            </td>
            <td>
                <Ago at=spare.since />
            </td>
            <td class="num">{spare.bytes.map(|value| view! { <Bytes value /> })}</td>
            <td class="acts">
                {menu}
                {may_swap.then(|| view! { <SwapDialog open=swapping target=target.clone() database=name.clone() live=live.clone() back=is_back work /> })}
                {may_drop.then(|| view! { <DropDialog open=dropping target=target.clone() database=name.clone() kept=spare.origin == Origin::Kept work /> })}
            </td>
        </tr>
    }
}

/// The question before a database is dropped.
#[component]
fn DropDialog(
    open: RwSignal<bool>,
    target: String,
    database: String,
    kept: bool,
    work: Work,
) -> impl IntoView {
    let drop = Action::new(|spec: &DropSpec| drop_database(spec.clone()));
    Effect::new(move || {
        if open.get() {
            drop.value().set(None);
        }
    });
    Effect::new(move || {
        if let Some(Ok(_)) = drop.value().get() {
            open.set(false);
            work.begin();
        }
    });
    let fault = Signal::derive(move || match drop.value().get() {
        Some(Err(ApiError(fault))) => Some(fault),
        _ => None,
    });
    let words = match kept {
        true => {
            "What was written into it before the swap and is in no backup is lost, and there is no way back from the swap."
        }
        false => "It can be restored from its backup again.",
    };
    let title = format!("Drop {database}?");
    let name = database.clone();
    view! {
        <ConfirmDialog
            open
            title=Signal::stored(title)
            name=Signal::stored(name)
            act="Drop database"
            pending=drop.pending()
            fault
            on_confirm=Callback::new(move |confirm: String| {
                drop.dispatch(DropSpec { target: target.clone(), database: database.clone(), confirm });
            })
        >
            <p>{words}</p>
            <p>"This cannot be undone."</p>
        </ConfirmDialog>
    }
}
