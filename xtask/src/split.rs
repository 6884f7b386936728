//! The frontend's module in parts: what the first page needs, a part for each area, and what several areas share.
//!
//! The splitter makes a file for every set of areas that have something in common, more than a hundred of them, most with a few
//! hundred bytes. So it runs twice: the first run tells what is shared by whom, and [`Arrangement`] what belongs into the main
//! module; each of its functions becomes an export, and what an export reaches stays there. The rest is put together by [`merge`].

use crate::merge::{merge, segments};
use crate::sections::{self, CODE, DATA, DATA_COUNT, failed};
use crate::shared::{Areas, Arrangement};
use crate::{Result, read};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use wasm_encoder::reencode::{RoundtripReencoder, utils};
use wasmparser::{BinaryReader, DataSectionReader};

/// What the exports that keep shared functions in the main module are called while it is split.
const KEPT: &str = "__kept_in_main_";

/// The module in parts.
pub struct Split {
    /// What every page needs; not yet bound.
    pub main: Vec<u8>,
    /// The JavaScript that loads parts, up to its list of them.
    pub link: String,
    /// The other modules by name: the areas' own, and what some of them share.
    pub modules: BTreeMap<String, Vec<u8>>,
    /// Which modules each area needs, its own last.
    pub needs: BTreeMap<String, Vec<String>>,
}

/// Splits a module that was linked with its relocations. The splitter writes into the folder `work`, which is made.
///
/// # Errors
/// What the splitter says; most often that the module was linked without relocations.
pub fn split(module: &[u8], work: &Path) -> Result<Split> {
    let first = Files::of(module, work)?;
    let mut sizes: BTreeMap<Areas, i64> = first
        .parts
        .keys()
        .map(|area| (Areas::from([area.clone()]), 0))
        .collect();
    for chunk in &first.chunks {
        *sizes.entry(chunk.areas.clone()).or_default() += code_size(&chunk.module)?;
    }
    let arranged = Arrangement::new(&sizes, code_size(&first.main)?, comes_later);
    let mut kept: HashSet<&str> = HashSet::new();
    for chunk in &first.chunks {
        if arranged.in_main(&chunk.areas) {
            kept.extend(sections::names(&chunk.module)?.into_iter().map(|(_, name)| name));
        }
    }
    // A name that two functions have keeps both, which is harmless.
    let roots: Vec<(String, u32)> = sections::names(module)?
        .into_iter()
        .filter(|(_, name)| kept.contains(name))
        .map(|(function, _)| (format!("{KEPT}{function}"), function))
        .collect();
    let second = Files::of(&sections::with_exports(module, |_| true, &roots)?, work)?;
    second.arranged(&arranged)
}

/// Bytes of code.
fn code_size(module: &[u8]) -> Result<i64> {
    let sections = sections::read(module)?;
    let code = sections.iter().find(|section| section.id == CODE);
    code.map_or(Ok(0), |code| i64::try_from(code.contents.len()).map_err(failed))
}

/// What comes when it is opened, with no page.
pub const OPENED: [&str; 2] = ["palette", "upload"];

/// Whether a part comes after its page, or with some states of it alone.
fn comes_later(area: &str) -> bool {
    OPENED.contains(&area) || page_of(area).is_some()
}

/// The area whose page a card is of, when it is one: `import` for `import_proof`.
fn page_of(area: &str) -> Option<&str> {
    area.split_once('_').map(|(page, _)| page)
}

/// What some areas have in common.
struct Chunk {
    areas: Areas,
    module: Vec<u8>,
}

/// What one run of the splitter wrote.
struct Files {
    main: Vec<u8>,
    link: String,
    parts: BTreeMap<String, Option<Vec<u8>>>,
    chunks: Vec<Chunk>,
}

impl Files {
    fn of(module: &[u8], work: &Path) -> Result<Self> {
        let bytes = |name: &str| {
            let path = work.join(name);
            std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))
        };
        if work.exists() {
            std::fs::remove_dir_all(work).map_err(|e| format!("{}: {e}", work.display()))?;
        }
        let main = work.join("main.wasm");
        let mut options = wasm_split_cli_support::Options::new(module);
        options.output_dir = work;
        options.main_out_path = &main;
        options.link_name = "./__wasm_split.js";
        options.main_module = "./pgsteward.js";
        options.emit_dwarf = false;
        let written = wasm_split_cli_support::transform(options).map_err(|e| format!("splitting: {e:#}"))?;
        let mut shared: BTreeMap<String, Areas> = BTreeMap::new();
        let mut parts = BTreeMap::new();
        for (area, files) in written.prefetch_map {
            let own = format!("split_{area}");
            parts.insert(area.clone(), None);
            for file in files {
                if file == own {
                    parts.insert(area.clone(), Some(bytes(&format!("{file}.wasm"))?));
                } else {
                    shared.entry(file).or_default().insert(area.clone());
                }
            }
        }
        let chunks = shared
            .into_iter()
            .map(|(file, areas)| {
                // A card comes with its page, and finds there what both need.
                let of_page = |area: &String| page_of(area).is_some_and(|page| areas.contains(page));
                let areas = areas.iter().filter(|area| !of_page(area)).cloned().collect();
                bytes(&format!("{file}.wasm")).map(|module| Chunk { areas, module })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            main: bytes("main.wasm")?,
            link: read(&work.join("__wasm_split.js"))?,
            parts,
            chunks,
        })
    }

    /// Puts chunks of data alone into the main module and the others together, and leaves out what the splitter leaves behind.
    fn arranged(self, arrangement: &Arrangement) -> Result<Split> {
        let Self {
            main,
            link,
            parts,
            chunks,
        } = self;
        let mut main = sections::with_exports(&main, |name| !name.starts_with(KEPT), &[])?;
        let mut groups: BTreeMap<Areas, Vec<Vec<u8>>> = BTreeMap::new();
        let mut needs: BTreeMap<String, Vec<String>> =
            parts.keys().map(|area| (area.clone(), Vec::new())).collect();
        for (area, part) in parts {
            groups.entry(Areas::from([area])).or_default().extend(part);
        }
        let mut data = Vec::new();
        for Chunk { areas, module } in chunks {
            if swept(&module)?.1 == 0 {
                data.push(module);
            } else {
                groups.entry(arrangement.group(&areas)).or_default().push(module);
            }
        }
        main = with_data(&main, &data)?;
        let mut modules = BTreeMap::new();
        groups.retain(|_, pieces| !pieces.is_empty());
        // What is shared first, an area's own last.
        let (own, shared): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(areas, _)| areas.len() == 1);
        for (number, (areas, pieces)) in shared.into_iter().chain(own).enumerate() {
            let name = match areas.first() {
                Some(area) if areas.len() == 1 => area.clone(),
                _ => format!("shared{number}"),
            };
            modules.insert(name.clone(), swept(&merge(&pieces)?)?.0);
            for area in areas {
                needs.entry(area).or_default().push(name.clone());
            }
        }
        // A card's page is there before the card.
        let pages = needs.clone();
        for (area, files) in &mut needs {
            let of_page = page_of(area)
                .and_then(|page| pages.get(page))
                .into_iter()
                .flatten();
            let missing: Vec<String> = of_page.filter(|file| !files.contains(file)).cloned().collect();
            files.splice(0..0, missing);
        }
        let end = ["\n/* ", "\nconst __chunk", "\nexport const"]
            .iter()
            .filter_map(|mark| link.find(mark))
            .min();
        let link = end.map_or(link.as_str(), |end| &link[..=end]).to_owned();
        Ok(Split {
            main,
            link,
            modules,
            needs,
        })
    }
}

/// The module without what nothing in it uses, and without names; and how many functions it has.
fn swept(module: &[u8]) -> Result<(Vec<u8>, usize)> {
    let mut module = walrus::ModuleConfig::new()
        .generate_name_section(false)
        .generate_producers_section(false)
        .parse(module)
        .map_err(|e| failed(format!("{e:#}")))?;
    walrus::passes::gc::run(&mut module);
    let customs: Vec<_> = module.customs.iter().map(|(id, _)| id).collect();
    for id in customs {
        module.customs.delete(id);
    }
    let functions = module.funcs.iter_local().count();
    Ok((module.emit_wasm(), functions))
}

/// The module with the data of others besides its own.
fn with_data(module: &[u8], others: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut sections = sections::read(module)?;
    let mut count = None;
    for section in &mut sections {
        if section.id == DATA {
            let mut data = wasm_encoder::DataSection::new();
            let own = DataSectionReader::new(BinaryReader::new(&section.contents, 0)).map_err(failed)?;
            utils::parse_data_section(&mut RoundtripReencoder, &mut data, own).map_err(failed)?;
            for other in others {
                for segment in segments(other)? {
                    utils::parse_data(&mut RoundtripReencoder, &mut data, segment).map_err(failed)?;
                }
            }
            count = Some(data.len());
            section.contents = sections::contents(&data)?.into();
        }
    }
    for section in &mut sections {
        if let (DATA_COUNT, Some(count)) = (section.id, count) {
            section.contents = sections::contents(&wasm_encoder::DataCountSection { count })?.into();
        }
    }
    Ok(sections::write(&sections))
}
